/**
 * Mistral, both layouts behind `[TOOL_CALLS]`: before tokenizer version 11 one JSON array of calls, from version 11 one
 * marker a call, `NAME[ARGS]{…}`, some with `[CALL_ID]`. `variant` chooses; without it the text after the marker does.
 */
import type { ParseOptions } from "../contract.ts";
import { keepBeforeCalls } from "../engine-content.ts";
import { Extraction } from "../extraction.ts";
import { readJsonAt } from "../json-reader.ts";
import { type NamedCall, type NamedCallRules, namedCall } from "../named-call.ts";
import { skipSpace, skipSpaceBack, strip } from "../python-strings.ts";
import { isMap } from "../python-value.ts";
import { mistralReasoning } from "../reasoning/engine-families.ts";
import { TokenFinder } from "../token-finder.ts";
import type { ToolFormat } from "../tool-format.ts";

const MARKER = "[TOOL_CALLS]";
const ARGS = "[ARGS]";
const CALL_ID = "[CALL_ID]";
const END = "</s>";
const RULES: NamedCallRules = {
  argumentKeys: ["arguments"],
  missingArguments: "empty",
  textArguments: "printed",
};

export const mistral: ToolFormat = {
  name: "mistral",
  reasoning: mistralReasoning,
  extract(text, options) {
    const first = text.indexOf(MARKER);
    return isArrayLayout(text, first, options.variant) ? extractArray(text, first) : extractNamed(text, options);
  },
};

function isArrayLayout(text: string, first: number, variant: string | undefined): boolean {
  if (variant === "pre-v11") return true;
  if (variant === "v11") return false;
  return first !== -1 && "[{".includes(text[skipSpace(text, first + MARKER.length)] ?? " ");
}

/** The layout before version 11. */
function extractArray(text: string, first: number): Extraction {
  if (first === -1) return Extraction.raw(text);
  const start = first + MARKER.length;
  if (text.includes(MARKER, start)) return Extraction.raw(text, "malformed", `More than one ${MARKER}.`);
  const read = readCallArray(text, start);
  const result = new Extraction(text);
  result.keep(0, first);
  result.cover(first, start);
  if (typeof read === "string") {
    // The marker is markup; what stands behind it is what the model said.
    result.keep(skipSpace(text, start), skipSpaceBack(text, start, text.length));
    result.problem("malformed", read, first, text.length);
    return result;
  }
  for (const call of read.calls) result.call(call, read.start, read.end);
  coverEnd(result);
  result.dropBlankContent();
  return result;
}

interface CallArray {
  calls: (NamedCall & { id: string | null })[];
  start: number;
  end: number;
}

/** The array of calls at or after `from`; a text that says what is wrong with it. */
function readCallArray(text: string, from: number): CallArray | string {
  const direct = skipSpace(text, from);
  const bracket = text.indexOf("[", direct);
  const start = text[direct] === "{" || bracket === -1 ? direct : bracket;
  const read = readJsonAt(text, start);
  if (!read.ok) return `No JSON array of calls behind ${MARKER} (position ${read.at}).`;
  if (!Array.isArray(read.value) || read.value.length === 0) return `Not an array of calls behind ${MARKER}.`;
  const calls: CallArray["calls"] = [];
  for (const element of read.value) {
    const call = namedCall(element, RULES);
    if (call === null) return `An element of the array behind ${MARKER} has no "name".`;
    const id = isMap(element) ? element.get("id") : null;
    calls.push({ ...call, id: typeof id === "string" && id !== "" ? id : null });
  }
  return { calls, start, end: read.end };
}

/** The layout from version 11 on. */
function extractNamed(text: string, options: ParseOptions): Extraction {
  const finder = new TokenFinder(text);
  const result = new Extraction(text);
  const first = finder.next(MARKER, 0);
  keepBeforeCalls(result, finder, 0, first === -1 ? text.length : first, {
    open: options.reasoning ? null : "[THINK]",
    close: "[/THINK]",
  });
  if (first === -1) return result;
  for (let at = first; at !== -1; ) {
    const next = finder.next(MARKER, at + MARKER.length);
    readPiece(result, finder, at, next === -1 ? text.length : next);
    at = next;
  }
  if (result.calls.length === 0)
    return Extraction.raw(text, result.problems[0]?.reason ?? "malformed", `No call behind ${MARKER}.`);
  coverEnd(result);
  result.trimContent();
  return result;
}

/** One marker and what follows it up to the next. */
function readPiece(result: Extraction, finder: TokenFinder, start: number, end: number): void {
  const { text } = result;
  const bodyStart = start + MARKER.length;
  if (text[skipSpace(text, bodyStart, end)] === "[") {
    const array = readCallArray(text, bodyStart);
    if (typeof array !== "string" && array.end <= end) {
      result.cover(start, array.start);
      for (const call of array.calls) result.call(call, array.start, array.end);
      return;
    }
  }
  const brace = finder.next("{", bodyStart);
  const hasArguments = brace !== -1 && brace < end;
  const header = text.slice(bodyStart, hasArguments ? brace : end);
  const { name, id } = readHeader(header.endsWith(END) ? header.slice(0, -END.length) : header);
  if (name === "" || /\s/.test(name)) {
    result.problem("no_name", `No function name behind ${MARKER}.`, start, end);
    return;
  }
  if (!hasArguments) {
    result.call({ name, arguments: "{}", id }, start, end);
    return;
  }
  const read = readJsonAt(text, brace);
  const argumentsEnd = read.ok && read.end <= end ? read.end : skipSpaceBack(text, brace, end);
  result.call({ name, arguments: text.slice(brace, argumentsEnd), id }, start, argumentsEnd);
  if (!read.ok)
    result.problem(
      read.truncated ? "truncated" : "malformed",
      `The arguments of ${name} are not complete JSON (position ${read.at}).`,
      brace,
      argumentsEnd,
    );
}

function readHeader(header: string): { name: string; id: string | null } {
  const plain = header.replaceAll(ARGS, "");
  const idAt = plain.indexOf(CALL_ID);
  if (idAt === -1) return { name: strip(plain), id: null };
  return { name: strip(plain.slice(0, idAt)), id: strip(plain.slice(idAt + CALL_ID.length)) || null };
}

function coverEnd(result: Extraction): void {
  const end = skipSpaceBack(result.text, 0, result.text.length);
  if (result.text.endsWith(END, end)) result.cover(end - END.length, end);
}
