/**
 * What is stored of a group: its JSON text, or the Arrow stream in which it was sent. Whoever asks gets the form that
 * was asked for.
 */
import { LachesisError } from "../../core/index.ts";
import type { ScoredGroup } from "../contract.ts";
import { decodeArrow, isArrow } from "./arrow.ts";
import { readGroup, storedGroup, writeGroup } from "./group.ts";
import { InvalidBody } from "./problem-detail.ts";

/** Throws `internal` where it cannot be read: whoever asks for it did not send it. */
export function payloadGroup(payload: Uint8Array): ScoredGroup {
  if (isArrow(payload)) {
    try {
      return readGroup(decodeArrow(payload)[0]);
    } catch (error) {
      if (!(error instanceof InvalidBody)) throw error;
      throw new LachesisError("internal", `A stored group cannot be read: ${error.message}`, { cause: error });
    }
  }
  return storedGroup(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
}

export function payloadJson(payload: Uint8Array): Uint8Array {
  return isArrow(payload) ? Buffer.from(writeGroup(payloadGroup(payload))) : payload;
}
