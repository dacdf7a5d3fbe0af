/**
 * Harmony (gpt-oss): messages of a header and a body, the header naming channel, recipient and content type. A message
 * to a function is a call; final messages and commentary to nobody are content, analysis is reasoning. The text begins
 * behind `<|start|>assistant`, so its first header is only the remainder. A header without an end stays raw content.
 */
import type { ParseOptions, ReasoningParser } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readJson } from "../json-reader.ts";
import { isBlank } from "../python-strings.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const START = "<|start|>";
const MESSAGE = "<|message|>";
const STOPS = ["<|end|>", "<|call|>", "<|return|>"];
const ROLES = new Set(["assistant", "user", "system", "developer", "tool"]);
const CHANNELS = new Set(["analysis", "commentary", "final"]);
const CONTENT_TYPES = new Set(["json", "code", "text"]);
const BUILT_IN = /^(?:assistant$|python|browser|container)/;

interface HarmonyMessage {
  channel: string | null;
  recipient: string | null;
  contentType: string | null;
  /** The header says more than the result does: unknown words, or a built-in tool. */
  stray: boolean;
  body: string;
  start: number;
  bodyStart: number;
  bodyEnd: number;
  end: number;
}

/** A message, or the span of text that is none. */
type Piece = HarmonyMessage | { raw: true; start: number; end: number };

function readPieces(text: string): Piece[] {
  const finder = new TokenFinder(text);
  const pieces: Piece[] = [];
  let at = 0;
  while (at < text.length) {
    const headerStart = text.startsWith(START, at) ? at + START.length : at;
    const messageAt = finder.next(MESSAGE, headerStart);
    const stop = finder.first([...STOPS, START], headerStart);
    if (messageAt === -1 || (stop !== null && stop.at < messageAt)) {
      const end = finder.nextOrEnd(START, headerStart);
      pieces.push({ raw: true, start: at, end });
      at = end;
      continue;
    }
    const bodyStart = messageAt + MESSAGE.length;
    const bodyStop = finder.first([...STOPS, START], bodyStart);
    const bodyEnd = bodyStop?.at ?? text.length;
    const end = bodyStop === null || bodyStop.token === START ? bodyEnd : bodyEnd + bodyStop.token.length;
    pieces.push({
      ...readHeader(text.slice(headerStart, Math.min(messageAt, headerStart + 2000))),
      body: text.slice(bodyStart, bodyEnd),
      start: at,
      bodyStart,
      bodyEnd,
      end,
    });
    at = finder.nextOrEnd(START, end);
  }
  return pieces;
}

function readHeader(header: string): Pick<HarmonyMessage, "channel" | "recipient" | "contentType" | "stray"> {
  const channel = /<\|channel\|>\s*(\w+)/.exec(header)?.[1] ?? null;
  const recipient = /\bto=([^\s<]+)/.exec(header)?.[1] ?? null;
  const constrained = /<\|constrain\|>\s*(\w+)/.exec(header)?.[1] ?? null;
  const words = header
    .replace(/<\|(?:channel|constrain)\|>\s*\w*/g, " ")
    .replace(/\bto=[^\s<]+/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "" && !ROLES.has(word));
  const contentType = constrained ?? words[0] ?? null;
  const stray =
    words.some((word) => !CONTENT_TYPES.has(word)) ||
    (constrained !== null && !CONTENT_TYPES.has(constrained)) ||
    (channel !== null && !CHANNELS.has(channel)) ||
    (recipient !== null && recipient !== "assistant" && BUILT_IN.test(recipient));
  return { channel, recipient, contentType, stray };
}

function calledFunction(message: HarmonyMessage): string | null {
  const { recipient } = message;
  if (recipient === null || BUILT_IN.test(recipient)) return null;
  return recipient.startsWith("functions.") ? recipient.slice("functions.".length) : recipient;
}

function argumentsOf(message: HarmonyMessage): string {
  if (message.contentType !== null && message.contentType !== "json") return message.body;
  const read = readJson(message.body);
  return read.ok ? dumpJson(read.value, true) : message.body;
}

function isReasoning(message: HarmonyMessage): boolean {
  return message.channel === "analysis" && calledFunction(message) === null;
}

/** Everything at once, as the messages say it. */
function readHarmony(text: string, options: ParseOptions): { reasoning: string | null; extraction: Extraction } {
  if (!text.includes(MESSAGE) && !text.includes("<|channel|>"))
    return { reasoning: null, extraction: Extraction.raw(text) };
  const result = new Extraction(text);
  const reasoning: string[] = [];
  const content: string[] = [];
  for (const piece of readPieces(text)) {
    if ("raw" in piece) {
      content.push(text.slice(piece.start, piece.end));
      result.problem("truncated", "A message whose header has no end.", piece.start, piece.end);
      continue;
    }
    const name = calledFunction(piece);
    result.cover(piece.start, piece.bodyStart);
    result.cover(piece.bodyEnd, piece.end);
    if (piece.stray)
      result.problem("stray_text", "A header with unknown words or a built-in tool.", piece.start, piece.bodyStart);
    if (name !== null) {
      result.call({ name, arguments: argumentsOf(piece) }, piece.start, piece.end);
    } else if (isReasoning(piece)) {
      reasoning.push(piece.body);
      if (options.reasoning) result.cover(piece.bodyStart, piece.bodyEnd);
    } else if (piece.recipient === null) {
      content.push(piece.body);
      result.cover(piece.bodyStart, piece.bodyEnd);
    }
  }
  result.content = content.filter((body) => body !== "").join("\n") || null;
  return { reasoning: reasoning.filter((body) => body !== "").join("\n") || null, extraction: result };
}

/** Reasoning is analysis; calls stay in the content as they were written. */
const harmonyReasoning: ReasoningParser = {
  parse(text) {
    if (!text.includes(MESSAGE)) return { reasoning: null, content: text || null };
    const reasoning: string[] = [];
    const content: string[] = [];
    const rest: string[] = [];
    let at = 0;
    for (const piece of readPieces(text)) {
      if (piece.start > at) rest.push(text.slice(at, piece.start));
      at = piece.end;
      if (!("raw" in piece) && piece.stray) rest.push(text.slice(piece.start, piece.bodyStart));
      if (!("raw" in piece) && isReasoning(piece)) reasoning.push(piece.body);
      else if (!("raw" in piece) && piece.recipient === null) content.push(piece.body);
      else content.push(text.slice(piece.start, piece.end));
    }
    if (at < text.length) rest.push(text.slice(at));
    const left = rest.filter((part) => !isBlank(part)).join("\n");
    return {
      reasoning: isBlank(reasoning.join("")) ? null : reasoning.join("\n"),
      content: content.join("\n") || null,
      ...(left === "" ? {} : { rest: left }),
    };
  },
};

export const harmony: ToolFormat = {
  name: "openai",
  aliases: ["harmony", "gpt-oss", "gpt_oss", "openai_gptoss"],
  reasoning: harmonyReasoning,
  extract: (text, options) => readHarmony(text, options).extraction,
  extractWithReasoning: readHarmony,
};
