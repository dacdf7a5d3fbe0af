/** The datasets room: rows from files, folders and the hub, in a seeded order. */
export type { Entry, Row } from "./entry.ts";
export type { HubOptions } from "./hub.ts";
export { type Dataset, type DatasetRequest, loadDataset } from "./load.ts";
export { epochs, seededOrder, trainEvalSplit } from "./order.ts";
export { promptOf } from "./prompt.ts";
