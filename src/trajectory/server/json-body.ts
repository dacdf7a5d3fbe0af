/** A request's body as JSON. */
import { isUtf8 } from "node:buffer";
import type { FastifyRequest } from "fastify";
import { errorMessage } from "../../core/index.ts";
import { costWithin } from "../wire/json-cost.ts";
import { InvalidBody } from "../wire/problem-detail.ts";

/** In lower case, without parameters; empty where none was given. */
export function mediaType(request: FastifyRequest): string {
  return request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
}

/** True for JSON and `…+json`, and where nothing is said. */
export function isJsonType(type: string): boolean {
  return type === "" || type === "application/json" || /^application\/[^/]+\+json$/.test(type);
}

/** Throws `InvalidBody` where there is none, or where it is no JSON. */
export function jsonBody(request: FastifyRequest): unknown {
  const body = request.body as Buffer | null | undefined;
  if (!body || body.length === 0) {
    throw new InvalidBody([{ type: "missing", loc: ["body"], msg: "Field required", input: null }]);
  }
  if (!isJsonType(mediaType(request))) {
    const msg = "Input should be a valid dictionary or object to extract fields from";
    throw new InvalidBody([
      { type: "model_attributes_type", loc: ["body"], msg, input: body.toString("utf8", 0, 200) },
    ]);
  }
  costWithin(body)?.add(body);
  if (!isUtf8(body)) throw invalidJson(0, "The body is not UTF-8");
  const text = body.toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = errorMessage(error);
    throw invalidJson(placeOf(message, text.length) ?? unreadableFrom(text), message);
  }
}

/** Where reading stopped, as the error tells; null where it does not. */
function placeOf(message: string, length: number): number | null {
  const place = /position (\d+)/.exec(message)?.[1];
  if (place !== undefined) return Number(place);
  return /end of JSON/.test(message) ? length : null;
}

/** In longer texts the place is not searched. */
const MOST_SEARCHED = 1024 ** 2;

/** The first character that cannot be read: a text that ends before it is only too short. */
function unreadableFrom(text: string): number {
  if (text.length > MOST_SEARCHED) return 0;
  let readable = 0;
  let unreadable = text.length;
  while (readable < unreadable) {
    const middle = (readable + unreadable) >> 1;
    if (isBeginning(text.slice(0, middle + 1))) readable = middle + 1;
    else unreadable = middle;
  }
  return readable;
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    return placeOf(errorMessage(error), text.length) === text.length;
  }
}

function invalidJson(offset: number, error: string): InvalidBody {
  return new InvalidBody([
    { type: "json_invalid", loc: ["body", offset], msg: "JSON decode error", input: {}, ctx: { error } },
  ]);
}
