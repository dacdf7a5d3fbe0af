/** Training data out of scored groups. */
export { Collection } from "./collection.ts";
export { type ItemFilter, parseFilter } from "./filter.ts";
export { openRows, ROW_FORMATS, type RowFile, type RowFormat, type RowWriter } from "./row-writer.ts";
export { type Decode, type DpoRow, dpoRows, type RowKind, type SftRow, sftRows, type TrainingRow } from "./rows.ts";
export { type ScoredRollout, type TrainingGroup, trainingGroup } from "./scored-group.ts";
export { SELECTIONS, type Selection, type SelectOptions, selected } from "./select.ts";
export { groupsFile, groupsOf, type JudgedGroup, judgedGroups } from "./sources.ts";
