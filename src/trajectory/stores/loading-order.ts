/** The order in which a state takes rows: groups by place and before the batches that hold them, keys by age. */
import type { Row } from "../state/records.ts";

const RANK = { clear: 0, run: 1, env: 2, group: 3, batch: 4, key: 5 };

export function inLoadingOrder(rows: Row[]): Row[] {
  return rows.sort((a, b) => RANK[a.table] - RANK[b.table] || placeOf(a) - placeOf(b));
}

function placeOf(row: Row): number {
  if (row.table === "group") return row.body?.place ?? Number(row.id);
  if (row.table === "key") return row.body?.at ?? 0;
  return Number(row.id) || 0;
}
