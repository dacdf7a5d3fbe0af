/**
 * Looks filters up and calls them. The filters themselves are in `filters-text.ts`, `filters-number.ts` and
 * `filters-sequence.ts`, `tojson` in `to-json.ts`.
 */
import { numberFilters } from "./filters-number.ts";
import { sequenceFilters } from "./filters-sequence.ts";
import { textFilters } from "./filters-text.ts";
import { toJsonFilter } from "./to-json.ts";
import { type Arguments, PyError, type Value } from "./values.ts";

export type Filter = (value: Value, args: Arguments) => Value;

const FILTERS = new Map<string, Filter>([
  ...Object.entries(textFilters),
  ...Object.entries(numberFilters),
  ...Object.entries(sequenceFilters((name, value, args) => applyFilter(name, value, args))),
  ["tojson", toJsonFilter],
]);

export function applyFilter(name: string, value: Value, args: Arguments): Value {
  const filter = FILTERS.get(name);
  if (filter === undefined) throw new PyError("TemplateRuntimeError", `No filter named '${name}' found.`);
  return filter(value, args);
}
