/**
 * Puts the pieces of a streamed chat or completion together into the answer that would have come in one. Some servers
 * stream whatever was asked, and `extra_body: {stream: true}` asks for it. A stream that was cut is no answer.
 */
import { createParser } from "eventsource-parser";
import { isObject, LachesisError } from "../core/index.ts";

interface Assembled {
  message: Record<string, unknown>;
  calls: Map<number, { id: unknown; name: string; arguments: string }>;
  finish_reason: unknown;
  text: string;
}

/** Throws `malformed_response` for pieces that are no JSON, `connection` for a stream without an end. */
export function assembleStream(body: string, url: string): Record<string, unknown> {
  const choices = new Map<number, Assembled>();
  const head: Record<string, unknown> = {};
  let done = false;
  let failure: unknown;
  const parser = createParser({
    onEvent({ data }) {
      if (data.trim() === "[DONE]") {
        done = true;
        return;
      }
      const piece = parsePiece(data, url);
      if (piece.error !== undefined && piece.error !== null) failure = piece.error;
      for (const field of ["id", "model", "usage"]) if (piece[field]) head[field] = piece[field];
      if (Array.isArray(piece.choices)) for (const choice of piece.choices) add(choices, choice);
    },
  });
  parser.feed(body.endsWith("\n\n") ? body : `${body}\n\n`);

  if (failure !== undefined) return { error: isObject(failure) ? failure : { message: String(failure) } };
  const finished = choices.size > 0 && [...choices.values()].every((choice) => choice.finish_reason !== null);
  if (!done && !finished)
    throw new LachesisError("connection", `${url}: the stream ended in the middle of the answer.`);
  return { ...head, choices: [...choices].sort(([a], [b]) => a - b).map(([index, choice]) => whole(index, choice)) };
}

function add(choices: Map<number, Assembled>, raw: unknown): void {
  if (!isObject(raw)) return;
  const index = typeof raw.index === "number" ? raw.index : 0;
  let choice = choices.get(index);
  if (choice === undefined) {
    choice = { message: {}, calls: new Map(), finish_reason: null, text: "" };
    choices.set(index, choice);
  }
  if (raw.finish_reason) choice.finish_reason = raw.finish_reason;
  if (typeof raw.text === "string") choice.text += raw.text;
  const delta = isObject(raw.delta) ? raw.delta : isObject(raw.message) ? raw.message : {};
  for (const [field, value] of Object.entries(delta)) {
    const before = choice.message[field];
    if (field === "role" || field === "tool_calls") continue;
    if (typeof value === "string") choice.message[field] = typeof before === "string" ? before + value : value;
    else if (Array.isArray(value)) choice.message[field] = Array.isArray(before) ? [...before, ...value] : value;
  }
  if (!Array.isArray(delta.tool_calls)) return;
  for (const [place, call] of delta.tool_calls.entries()) addCall(choice, call, place);
}

function addCall(choice: Assembled, raw: unknown, place: number): void {
  if (!isObject(raw)) return;
  const index = typeof raw.index === "number" ? raw.index : place;
  const fn = isObject(raw.function) ? raw.function : {};
  const call = choice.calls.get(index) ?? { id: raw.id, name: "", arguments: "" };
  call.id ??= raw.id;
  if (typeof fn.name === "string") call.name += fn.name;
  if (fn.arguments !== undefined) {
    call.arguments += typeof fn.arguments === "string" ? fn.arguments : JSON.stringify(fn.arguments);
  }
  choice.calls.set(index, call);
}

function whole(index: number, choice: Assembled): Record<string, unknown> {
  const calls = [...choice.calls]
    .sort(([a], [b]) => a - b)
    .map(([, call]) => ({ id: call.id, function: { name: call.name, arguments: call.arguments } }));
  const message = calls.length === 0 ? choice.message : { ...choice.message, tool_calls: calls };
  return { index, message, text: choice.text, finish_reason: choice.finish_reason };
}

function parsePiece(data: string, url: string): Record<string, unknown> {
  try {
    const piece: unknown = JSON.parse(data);
    if (isObject(piece)) return piece;
  } catch (error) {
    throw new LachesisError("malformed_response", `${url}: a piece of the stream is no JSON.`, { cause: error });
  }
  throw new LachesisError("malformed_response", `${url}: a piece of the stream is no object.`);
}
