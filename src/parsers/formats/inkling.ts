/**
 * Inkling: calls are JSON objects with `name` and `args` in blocks of their own; text blocks are content wherever they
 * stand. A call that the text cuts off keeps the text of its arguments.
 */
import type { ParseOptions, ReasoningParser } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { type InklingBlock, readInklingBlocks } from "../inkling-blocks.ts";
import { dumpJson } from "../json-dump.ts";
import { readJson, readJsonAt } from "../json-reader.ts";
import { isMap } from "../python-value.ts";
import type { ToolFormat } from "../tool-format.ts";

/** Text blocks without their markers, calls as they were written. */
const inklingReasoning: ReasoningParser = {
  parse(text) {
    const reasoning: string[] = [];
    const content: string[] = [];
    for (const block of readInklingBlocks(text, true)) {
      if (block.kind === "thinking") reasoning.push(text.slice(block.bodyStart, block.bodyEnd));
      else if (block.kind === "text") content.push(text.slice(block.bodyStart, block.bodyEnd));
      else if (block.kind === "call") content.push(text.slice(block.start, block.end));
    }
    return { reasoning: reasoning.join("") || null, content: content.join("") || null };
  },
};

function readBlocks(text: string, options: ParseOptions): { reasoning: string | null; extraction: Extraction } {
  const result = new Extraction(text);
  const reasoning: string[] = [];
  for (const block of readInklingBlocks(text, options.reasoning === true)) {
    switch (block.kind) {
      case "text":
        result.keep(block.bodyStart, block.bodyEnd);
        result.cover(block.start, block.end);
        break;
      case "thinking":
        reasoning.push(text.slice(block.bodyStart, block.bodyEnd));
        result.cover(block.start, block.bodyStart);
        result.cover(options.reasoning ? block.start : block.bodyEnd, block.end);
        break;
      case "call":
        addCall(result, block);
        break;
      case "header":
        break;
    }
  }
  if (result.calls.length > 0) result.dropBlankContent();
  return { reasoning: reasoning.join("") || null, extraction: result };
}

export const inkling: ToolFormat = {
  name: "inkling",
  reasoning: inklingReasoning,
  extract: (text, options) => readBlocks(text, options).extraction,
  extractWithReasoning: readBlocks,
};

function addCall(result: Extraction, block: InklingBlock): void {
  const call = readCall(result.text, block);
  if (call === null) {
    const reason = block.closed ? "malformed" : "truncated";
    result.problem(reason, "A call that is no JSON object with a name.", block.start, block.end);
    if (result.calls.length === 0) result.keep(block.start, block.end);
  } else {
    result.call(call, block.start, block.end);
    if (!call.complete)
      result.problem("truncated", `The arguments of ${call.name} have no end.`, block.start, block.end);
  }
}

/** The arguments are verbatim where the object has its keys in the usual order. */
function readCall(
  text: string,
  block: InklingBlock,
): { name: string; arguments: string; complete: boolean; unused?: string[] } | null {
  const body = text.slice(block.bodyStart, block.bodyEnd);
  const whole = readJson(body);
  const header = /^\s*\{\s*"name"\s*:\s*/.exec(body);
  const named = header === null ? null : readJsonAt(body, header[0].length);
  if (named?.ok && typeof named.value === "string" && named.value !== "") {
    const between = /^\s*,\s*"args"\s*:\s*/.exec(body.slice(named.end, named.end + 200));
    if (between !== null) {
      const start = named.end + between[0].length;
      const args = readJsonAt(body, start);
      if (whole.ok && args.ok) return { name: named.value, arguments: body.slice(start, args.end), complete: true };
      if (!whole.ok) return { name: named.value, arguments: body.slice(start), complete: false };
    }
    if (!whole.ok) return { name: named.value, arguments: "", complete: false };
  }
  const value = whole.ok && isMap(whole.value) ? whole.value : null;
  const name = value?.get("name");
  if (typeof name !== "string" || name === "") return null;
  const unused = [...(value?.keys() ?? [])].filter((key) => key !== "name" && key !== "args");
  return { name, arguments: dumpJson(value?.get("args") ?? new Map()), complete: true, unused };
}
