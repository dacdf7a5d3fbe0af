/**
 * What is stored of a run, row by row. A row is replaced as a whole; a store needs to know nothing of its content. The
 * state of a run is nothing but its rows: whoever reads them all holds the run.
 */
import type { RunRegistration } from "../contract.ts";

export interface RunRow {
  /** null until a trainer has registered. */
  registration: RunRegistration | null;
  /** True once a trainer has asked for a batch; environments wait for it. */
  started: boolean;
  /** Batches handed out, counted from the registration's starting step. */
  step: number;
  nextGroup: number;
  /** Place in the queue of the next group that enters it. */
  nextPlace: number;
  nextBatch: number;
  nextEnv: number;
  /** 128-bit ids of those that registered, as decimal text. */
  trainers: string[];
  delivered: { groups: number; sequences: number };
  /** Groups that were set aside, by reason. */
  aside: Record<string, number>;
  /** The last group that entered the queue. */
  latest: number | null;
  createdAt: number;
  /** Milliseconds since the epoch of the last call for a batch, to within a few seconds; absent before the first. */
  trainerSeen?: number;
  /** The trainer's sequence length of before the last reset: v1 still tells it. */
  formerMaxTokenLen?: number;
}

export interface EnvRow {
  desiredName: string;
  wandbName: string;
  weight: number;
  /** Raised to the largest group that the env has queued. */
  groupSize: number;
  minAllocation: number | null;
  maxTokenLength: number;
  connected: boolean;
  /** It said that it leaves: only a new registration brings it back. */
  left?: boolean;
  /** Milliseconds since the epoch. */
  lastSeen: number;
  /** With it an env that was marked disconnected comes back under the same id. */
  token: string;
}

export interface GroupRow {
  env: number | null;
  /** Sequences. */
  size: number;
  /** Of the stored payload. */
  bytes: number;
  /**
   * buffered: waits for groups that complete its env's size. queued: can be part of a batch, or is part of one that has
   * not been acknowledged (its batch row says so). aside: will not be handed out. kept: handed out, the run's latest.
   */
  state: "buffered" | "queued" | "aside" | "kept";
  /** Why it was set aside. */
  reason?: string;
  /** Order of entry into the queue; null before. */
  place: number | null;
  weights: [number, number] | null;
  at: number;
}

export interface BatchRow {
  groups: number[];
  sequences: number;
  /** Step number, given when it is first handed out. */
  step: number | null;
  /** How many times it was handed out. */
  leases: number;
  /** The present holder; null while nobody holds it. */
  lease: Lease | null;
}

export interface Lease {
  trainer: string;
  until: number;
  /** Its whole length in milliseconds; absent in what older versions wrote. */
  ms?: number;
  /** v1: the whole answer left the server, and the client's next call acknowledges it. */
  sent?: boolean;
}

/** The answer to a submit or an acknowledgement, kept so that a repeated one gets the same. */
export interface KeyRow {
  /** Of the body; of an acknowledgement, its lease. */
  hash: string;
  answer: unknown;
  at: number;
}

export type Row =
  | { table: "run"; id: "run"; body: RunRow }
  | { table: "env"; id: string; body: EnvRow | null }
  | { table: "group"; id: string; body: GroupRow | null; payload?: Uint8Array }
  | { table: "batch"; id: string; body: BatchRow | null }
  | { table: "key"; id: string; body: KeyRow | null }
  /** All rows of the run are gone; what was written after it stays. */
  | { table: "clear"; id: ""; body: null };
