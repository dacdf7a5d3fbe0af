/** The trajectory room: the durable exchange between environments and trainers. */
export * from "./contract.ts";
