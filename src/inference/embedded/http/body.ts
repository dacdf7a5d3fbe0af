/** Fields of untrusted request bodies, read with an error that names the field. */
import { isObject, LachesisError } from "../../../core/index.ts";
import type { SampleRequest } from "../sampling-options.ts";

export type Body = Record<string, unknown>;

export function objectBody(body: unknown): Body {
  if (isObject(body)) return body;
  throw new LachesisError("bad_request", "The body must be a JSON object.");
}

export function refuse(field: string, wanted: string): LachesisError {
  return new LachesisError("bad_request", `${field}: ${wanted} is needed.`, { details: { field } });
}

export function isTokenList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => typeof id === "number");
}

/** An optional flag; null counts as absent. */
export function flag(body: Body, field: string): boolean {
  const value = body[field] ?? false;
  if (typeof value !== "boolean") throw refuse(field, "true or false");
  return value;
}

/** An optional count; null and absent give null. */
export function count(body: Body, field: string): number | null {
  const value = body[field] ?? null;
  if (value !== null && !(Number.isSafeInteger(value) && (value as number) >= 0)) throw refuse(field, "an integer ≥ 0");
  return value as number | null;
}

const NUMBERS = ["temperature", "top_p", "top_k", "min_p", "seed", "n"] as const;
const LENGTHS = ["max_tokens", "max_completion_tokens", "max_new_tokens"] as const;

/** The sampling parameters that all dialects share. Their ranges are checked where they are used. */
export function samplingOf(body: Body, standardMaxTokens: number | null): Omit<SampleRequest, "tokens"> {
  const request: Omit<SampleRequest, "tokens"> = {};
  for (const field of NUMBERS) {
    const value = body[field] ?? (field === "seed" ? body.sampling_seed : undefined);
    if (value == null) continue;
    if (typeof value !== "number") throw refuse(field, "a number");
    request[field] = value;
  }
  const length = LENGTHS.map((field) => body[field]).find((value) => value != null) ?? standardMaxTokens;
  if (length !== null) {
    if (typeof length !== "number") throw refuse("max_tokens", "a number");
    request.max_tokens = length;
  }
  const stop = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
  if (!Array.isArray(stop) || !stop.every((text) => typeof text === "string"))
    throw refuse("stop", "a list of strings");
  request.stop = stop;
  const ids = body.stop_token_ids ?? [];
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === "number"))
    throw refuse("stop_token_ids", "a list of ids");
  request.stop_token_ids = ids;
  request.ignore_eos = flag(body, "ignore_eos");
  return request;
}
