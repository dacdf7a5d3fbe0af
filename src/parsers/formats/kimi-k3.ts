import { Extraction } from "../extraction.ts";
import { dumpMap } from "../json-dump.ts";
import { readJson } from "../json-reader.ts";
import type { PyValue } from "../python-value.ts";
import { kimiK3Reasoning } from "../reasoning/kimi-k3.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const SEP = "<|sep|>";
const TOOLS = `<|open|>tools${SEP}`;
const TOOLS_END = `<|close|>tools${SEP}`;
const RESPONSE = `<|open|>response${SEP}`;
const RESPONSE_END = `<|close|>response${SEP}`;
const CALL = "<|open|>call ";
const CALL_END = `<|close|>call${SEP}`;
const ARGUMENT = "<|open|>argument ";
const ARGUMENT_END = `<|close|>argument${SEP}`;
const MESSAGE_END = "<|end_of_msg|>";
const ATTRIBUTE = /([a-z_]+)="([^"]*)"/g;

export const kimiK3: ToolFormat = {
  name: "kimi_k3",
  reasoning: kimiK3Reasoning,
  extract(text) {
    const finder = new TokenFinder(text);
    const result = new Extraction(text);
    const tools = finder.next(TOOLS, 0);
    const contentLimit = tools === -1 ? text.length : tools;
    const response = finder.next(RESPONSE, 0);
    const start = response === -1 || response > contentLimit ? 0 : response + RESPONSE.length;
    const end = [RESPONSE_END, MESSAGE_END].reduce(
      (limit, token) => Math.min(limit, finder.nextOrEnd(token, start)),
      contentLimit,
    );
    result.keep(start, end);
    for (const token of [RESPONSE, RESPONSE_END, TOOLS, TOOLS_END, MESSAGE_END])
      for (let at = finder.next(token, 0); at !== -1; at = finder.next(token, at + token.length))
        result.cover(at, at + token.length);
    if (tools !== -1) {
      // One channel holds all calls; what comes after it is no part of them.
      const end = finder.nextOrEnd(TOOLS_END, tools);
      readCalls(result, finder, tools, end);
      const later = finder.next(CALL, end);
      if (later !== -1) result.problem("stray_text", "Calls behind the end of the tools channel.", later, text.length);
    }
    return result;
  },
};

function readCalls(result: Extraction, finder: TokenFinder, from: number, to: number): void {
  let at = finder.next(CALL, from);
  while (at !== -1 && at < to) {
    const close = finder.next(CALL_END, at);
    const following = finder.nextOrEnd(CALL, at + CALL.length);
    if (close === -1 || close > following || close > to) {
      const end = Math.min(following, to);
      result.problem("truncated", "A call without its end.", at, end);
      at = finder.next(CALL, end);
      continue;
    }
    const end = close + CALL_END.length;
    readCall(result, finder, at, close, end);
    at = finder.next(CALL, end);
  }
}

function readCall(result: Extraction, finder: TokenFinder, start: number, bodyEnd: number, end: number): void {
  const { text } = finder;
  const headerEnd = finder.nextOrEnd(SEP, start);
  const name = attributes(text.slice(start, headerEnd)).get("tool") ?? "";
  if (name === "") {
    result.problem("no_name", "A call without a tool attribute.", start, end);
    return;
  }
  const entries: [string, PyValue][] = [];
  const parts: { key: string; start: number; end: number }[] = [];
  let at = finder.next(ARGUMENT, headerEnd);
  while (at !== -1 && at < bodyEnd) {
    const argumentHeaderEnd = finder.nextOrEnd(SEP, at);
    const valueStart = argumentHeaderEnd + SEP.length;
    const valueEnd = finder.next(ARGUMENT_END, valueStart);
    if (valueEnd === -1 || valueEnd > bodyEnd) break;
    const found = attributes(text.slice(at, argumentHeaderEnd));
    const key = found.get("key");
    const partEnd = valueEnd + ARGUMENT_END.length;
    if (key !== undefined) {
      entries.push([key, typedValue(text.slice(valueStart, valueEnd), found.get("type"))]);
      parts.push({ key, start: at, end: partEnd });
    }
    at = finder.next(ARGUMENT, partEnd);
  }
  result.call({ name, arguments: dumpMap(entries) }, start, end);
  result.strayText(headerEnd + SEP.length, bodyEnd, parts);
  result.replacedParts(parts, "last");
}

function typedValue(text: string, type: string | undefined): PyValue {
  if (type === undefined || type === "string") return text;
  const read = readJson(text);
  return read.ok ? read.value : text;
}

function attributes(header: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of header.slice(0, 4000).matchAll(ATTRIBUTE))
    found.set(match[1]!, match[2]!.replaceAll("&quot;", '"').replaceAll("&amp;", "&"));
  return found;
}
