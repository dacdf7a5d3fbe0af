/** Scored groups out of a request's body, JSON or Arrow, checked and in the form in which they are stored. */
import type { FastifyRequest } from "fastify";
import type { ScoredGroup } from "../contract.ts";
import type { ArrivingGroup } from "../state/submits.ts";
import { ARROW_TYPE, decodeArrow, encodeArrow } from "../wire/arrow.ts";
import { groupPayload, readGroup, writeGroup } from "../wire/group.ts";
import { isList, isOver, requireFewGroups, type ScannedGroup, scanGroup, scanGroups } from "../wire/group-scan.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { listStarts } from "../wire/raw-json.ts";
import { excerpt } from "../wire/readers.ts";
import { isJsonType, jsonBody, mediaType } from "./json-body.ts";

/** One group. Throws `InvalidBody`. */
export function readOne(request: FastifyRequest): ArrivingGroup {
  const body = quickBody(request);
  const quick = body && !isList(body) ? scanned(body) : null;
  if (quick) return quick[0]!;
  const value = jsonBody(request);
  return fromJson(request.body as Buffer, 0, value, readGroup(value));
}

/** A list of groups; one that is refused refuses all. Throws `InvalidBody`. */
export function readList(request: FastifyRequest): ArrivingGroup[] {
  const body = quickBody(request);
  const quick = body && isList(body) ? scanned(body) : null;
  if (quick) return quick;
  const value = jsonBody(request);
  if (!Array.isArray(value)) {
    const msg = "Input should be a valid list";
    throw new InvalidBody([{ type: "list_type", loc: ["body"], msg, input: excerpt(value) }]);
  }
  return listed(request.body as Buffer, value);
}

/** One group, a list, or an Arrow stream of them. Throws `InvalidBody`. */
export function readAny(request: FastifyRequest): ArrivingGroup[] {
  const bytes = request.body as Buffer | undefined;
  if (mediaType(request) === ARROW_TYPE && bytes && bytes.length > 0) return fromArrow(bytes);
  const body = quickBody(request);
  const quick = body && scanned(body);
  if (quick) return quick;
  const value = jsonBody(request);
  return Array.isArray(value)
    ? listed(request.body as Buffer, value)
    : [fromJson(request.body as Buffer, 0, value, readGroup(value))];
}

/** The body where it may be JSON at all. */
function quickBody(request: FastifyRequest): Buffer | null {
  const body = request.body as Buffer | null | undefined;
  return body && body.length > 0 && isJsonType(mediaType(request)) ? body : null;
}

/** Groups that need no reading; null where one does. */
function scanned(body: Buffer): ArrivingGroup[] | null {
  if (isList(body)) return scanGroups(body)?.map(fromScan) ?? null;
  const group = scanGroup(body, 0);
  return group && isOver(body, group.end) ? [fromScan(group)] : null;
}

function fromScan({ count, env_id, weight_versions, rollout_ids, payload }: ScannedGroup): ArrivingGroup {
  return { env: env_id, size: sizeOf(count, rollout_ids), weights: weight_versions, payload };
}

function listed(body: Buffer, values: readonly unknown[]): ArrivingGroup[] {
  requireFewGroups(values.length);
  const groups = values.map((value, index) => readGroup(value, ["body", index]));
  const starts = listStarts(body);
  return groups.map((group, index) => fromJson(body, starts[index]!, values[index], group));
}

function fromJson(body: Buffer, start: number, value: unknown, group: ScoredGroup): ArrivingGroup {
  return arriving(group, groupPayload(group, body, start, value));
}

function fromArrow(body: Buffer): ArrivingGroup[] {
  const values = decodeArrow(body);
  requireFewGroups(values.length);
  const groups = values.map((value, index) => readGroup(value, ["body", index]));
  const [only] = groups;
  if (groups.length === 1 && only) return [arriving(only, owned(body))];
  return groups.map((group) => arriving(group, isSmall(group) ? Buffer.from(writeGroup(group)) : encodeArrow([group])));
}

/** A stream of its own takes longer to write than all the values of a small group, and is larger than they are. */
const SMALL_TOKENS = 4_096;

function isSmall(group: ScoredGroup): boolean {
  return group.tokens.reduce((sum, row) => sum + row.length, 0) < SMALL_TOKENS;
}

/** Memory of its own can be handed to another thread. */
function owned(body: Buffer): Uint8Array {
  if (body.byteLength === body.buffer.byteLength) return body;
  const copy = Buffer.allocUnsafeSlow(body.byteLength);
  body.copy(copy);
  return copy;
}

function arriving(group: ScoredGroup, payload: Uint8Array): ArrivingGroup {
  const size = sizeOf(group.tokens.length, group.rollout_ids);
  return { env: group.env_id ?? null, size, weights: group.weight_versions ?? null, payload };
}

/** A rollout that branched gives several sequences; batches are made of rollouts, so it counts once. */
function sizeOf(sequences: number, rolloutIds: readonly string[] | null | undefined): number {
  return rolloutIds ? new Set(rolloutIds).size : sequences;
}
