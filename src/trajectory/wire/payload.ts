/**
 * What is stored of a group: its JSON text, or the Arrow stream in which it was sent. Whoever asks gets the form that
 * was asked for.
 */
import type { ScoredGroup } from "../contract.ts";
import { decodeArrow, isArrow } from "./arrow.ts";
import { readGroup, storedGroup, writeGroup } from "./group.ts";

export function payloadGroup(payload: Uint8Array): ScoredGroup {
  if (isArrow(payload)) return readGroup(decodeArrow(payload)[0]);
  return storedGroup(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
}

export function payloadJson(payload: Uint8Array): Uint8Array {
  return isArrow(payload) ? Buffer.from(writeGroup(payloadGroup(payload))) : payload;
}
