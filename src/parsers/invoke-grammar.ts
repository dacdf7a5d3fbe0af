/**
 * Calls written as `<invoke name="f">` with `<parameter name="k">` values, usually inside a wrapper: the grammar of
 * MiniMax M2 and of DeepSeek's DSML, whose tags differ. Reads the whole text: content up to the first call, calls, and
 * a problem for each piece that is none. A call whose last value is cut keeps its complete values.
 */
import type { ParseOptions } from "./contract.ts";
import { keepBeforeCalls, type ThinkTags } from "./engine-content.ts";
import { Extraction } from "./extraction.ts";
import { dumpMap } from "./json-dump.ts";
import { isBlank, strip } from "./python-strings.ts";
import type { PyMap, PyValue } from "./python-value.ts";
import { type ParameterSyntax, readTaggedParameters, type TaggedParameter } from "./tagged-parameters.ts";
import { TokenFinder } from "./token-finder.ts";
import { isUnknownTool } from "./tool-schemas.ts";

export interface InvokeGrammar {
  open: string;
  close: string;
  /** Whether an invocation counts outside the wrapper. */
  wrapperOptional: boolean;
  /** The opening tag of an invocation up to its name. */
  invoke: string;
  invokeEnd: string;
  parameter: ParameterSyntax;
  think: ThinkTags | null;
  refusesUnknownTools: boolean;
  /** The value of one parameter. */
  readValue(parameter: TaggedParameter, tool: string, options: ParseOptions): PyValue;
  /** Arguments of a body without parameters; null where it is none. */
  readBody?(body: string): PyMap | null;
  /** Last word on the arguments; they come back unchanged where there is nothing to mend. */
  mend?(parameters: PyMap, tool: string, options: ParseOptions): PyMap;
}

const MAX_NAME = 1000;

export function extractInvokes(text: string, options: ParseOptions, grammar: InvokeGrammar): Extraction {
  const finder = new TokenFinder(text);
  const result = new Extraction(text);
  const openers = grammar.wrapperOptional ? [grammar.open, grammar.invoke] : [grammar.open];
  let at = 0;
  for (;;) {
    const found = finder.first(openers, at);
    keepBeforeCalls(result, finder, at, found?.at ?? text.length, grammar.think);
    if (found === null) break;
    if (found.token === grammar.invoke) {
      at = readInvoke(result, finder, found.at, options, grammar);
      continue;
    }
    const bodyStart = found.at + grammar.open.length;
    const next = finder.first([grammar.invoke, grammar.close], bodyStart);
    if (next === null) {
      const message = `${grammar.open} without ${grammar.invoke}.`;
      if (result.calls.length === 0) return Extraction.raw(text, "no_name", message);
      result.problem("no_name", message, found.at, text.length);
      break;
    }
    if (next.token === grammar.close) {
      at = next.at + grammar.close.length;
      if (isBlank(text.slice(bodyStart, next.at))) result.cover(found.at, at);
      else result.problem("no_name", `A ${grammar.open} block without ${grammar.invoke}.`, found.at, at);
      continue;
    }
    result.cover(found.at, bodyStart);
    at = readWrapper(result, finder, next.at, options, grammar);
  }
  return result;
}

/** Reads invocations up to the wrapper's end; gives the position after it. */
function readWrapper(
  result: Extraction,
  finder: TokenFinder,
  firstInvoke: number,
  options: ParseOptions,
  grammar: InvokeGrammar,
): number {
  const { text } = finder;
  let at = firstInvoke;
  for (;;) {
    at = readInvoke(result, finder, at, options, grammar);
    const next = finder.first([grammar.invoke, grammar.close, grammar.open], at);
    if (next === null) return at;
    if (next.token === grammar.open) return next.at;
    if (next.token === grammar.close) {
      result.cover(next.at, next.at + grammar.close.length);
      return next.at + grammar.close.length;
    }
    at = next.at;
    if (at >= text.length) return at;
  }
}

/** Reads one invocation that starts at `start`; gives the position after it. */
function readInvoke(
  result: Extraction,
  finder: TokenFinder,
  start: number,
  options: ParseOptions,
  grammar: InvokeGrammar,
): number {
  const { text } = finder;
  const nameStart = start + grammar.invoke.length;
  const headerEnd = finder.next(">", nameStart);
  if (headerEnd === -1 || headerEnd - nameStart > MAX_NAME) {
    const end = headerEnd === -1 ? text.length : nameStart;
    result.problem(headerEnd === -1 ? "truncated" : "malformed", "A call whose name has no end.", start, end);
    return end;
  }
  const whole = strip(text.slice(nameStart, headerEnd));
  const isClosed = whole.endsWith("/");
  const header = isClosed ? strip(whole.slice(0, -1)) : whole;
  const name = unquote(header);
  if (header.length > name.length + 2)
    result.problem("stray_text", `A header with more than the name ${name}.`, start, headerEnd + 1);
  if (isClosed) {
    addCall(result, name, [], start, headerEnd + 1, options, grammar);
    return headerEnd + 1;
  }
  const closeAt = finder.next(grammar.invokeEnd, headerEnd);
  const wrapperEnd = closeAt === -1 ? finder.next(grammar.close, headerEnd) : -1;
  const limit = closeAt !== -1 ? closeAt : wrapperEnd !== -1 ? wrapperEnd : text.length;
  const stops = [grammar.close, grammar.invoke, grammar.open];
  const read = readTaggedParameters(finder, headerEnd + 1, limit, grammar.parameter, stops);
  const closed = closeAt !== -1 && read.stoppedAt === closeAt;
  const end = closed ? closeAt + grammar.invokeEnd.length : read.stoppedAt;
  if (read.parameters.length === 0 && read.unfinished === null) {
    const body = grammar.readBody?.(text.slice(headerEnd + 1, read.stoppedAt)) ?? null;
    if (body !== null) {
      addCall(result, name, body, start, end, options, grammar);
      return end;
    }
  }
  if (!addCall(result, name, read.parameters, start, end, options, grammar)) return end;
  result.replacedParts(read.parameters, "last");
  const { unfinished } = read;
  if (unfinished !== null)
    result.problem(
      limit === text.length ? "truncated" : "malformed",
      `The value of "${unfinished.key}" of ${name} has no end; it is left out.`,
      unfinished.start,
      read.stoppedAt,
    );
  result.strayText(headerEnd + 1, unfinished?.start ?? read.stoppedAt, read.parameters);
  return end;
}

function addCall(
  result: Extraction,
  name: string,
  parameters: readonly TaggedParameter[] | PyMap,
  start: number,
  end: number,
  options: ParseOptions,
  grammar: InvokeGrammar,
): boolean {
  if (name === "") {
    result.problem("no_name", "A call without a name.", start, end);
    return false;
  }
  if ((grammar.refusesUnknownTools || options.reasoning) && isUnknownTool(options.tools, name)) {
    result.problem("unknown_tool", `The tool "${name}" was not offered.`, start, end);
    return false;
  }
  const read = parameters instanceof Map ? parameters : valuesOf(parameters, name, options, grammar);
  result.call({ name, arguments: dumpMap(grammar.mend?.(read, name, options) ?? read) }, start, end);
  return true;
}

function valuesOf(
  parameters: readonly TaggedParameter[],
  tool: string,
  options: ParseOptions,
  grammar: InvokeGrammar,
): PyMap {
  const values: PyMap = new Map();
  for (const parameter of parameters) values.set(parameter.key, grammar.readValue(parameter, tool, options));
  return values;
}

/** A name or key without the quotes around it. */
export function unquote(text: string): string {
  const trimmed = strip(text);
  const first = trimmed[0];
  if (first !== '"' && first !== "'") return trimmed;
  const close = trimmed.indexOf(first, 1);
  return close === -1 ? strip(trimmed.slice(1)) : trimmed.slice(1, close);
}
