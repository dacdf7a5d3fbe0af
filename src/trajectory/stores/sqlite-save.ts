/** How changed rows are written into a SQLite database, on whichever thread: one transaction, on disk when it is over. */
import type Database from "better-sqlite3";

export interface SqliteSave {
  run: string;
  rows: { table: string; id: string; body: string | null; payload?: Uint8Array }[];
}

/** Payloads up to this many bytes stand in their group's row: a small submit then changes few pages. */
const MOST_INLINE = 2048;

/** Several saves are one transaction, in order. The connection must be one that writes (WAL, synchronous = FULL). */
export function saveInto(db: Database.Database): (saves: SqliteSave[]) => void {
  const put = db.prepare(
    "INSERT INTO rows (run, tbl, id, body, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
  );
  const drop = db.prepare("DELETE FROM rows WHERE run = ? AND tbl = ? AND id = ?");
  const clear = db.prepare("DELETE FROM rows WHERE run = ?");
  const clearPayloads = db.prepare("DELETE FROM payloads WHERE run = ?");
  const putPayload = db.prepare("INSERT OR REPLACE INTO payloads (run, id, data) VALUES (?, ?, ?)");
  const dropPayload = db.prepare("DELETE FROM payloads WHERE run = ? AND id = ?");
  return db.transaction((saves: SqliteSave[]) => {
    for (const { run, rows } of saves) {
      for (const { table, id, body, payload } of rows) {
        if (table === "clear") {
          clear.run(run);
          clearPayloads.run(run);
        } else if (body === null) {
          drop.run(run, table, id);
          if (table === "group") dropPayload.run(run, Number(id));
        } else {
          const isInline = payload !== undefined && payload.byteLength <= MOST_INLINE;
          put.run(run, table, id, body, isInline ? payload : null);
          if (payload && !isInline) putPayload.run(run, Number(id), payload);
        }
      }
    }
  });
}

/** What a connection needs to be one that writes. Without the word of ours the journal would not be synced at each save. */
export function prepareToWrite(db: Database.Database): void {
  db.pragma("synchronous = FULL");
  db.pragma("journal_size_limit = 67108864");
}
