/**
 * xLAM: a JSON array of calls, looked for behind `</think>`, then in a code block, behind `[TOOL_CALLS]` or between
 * `<tool_call>` tags, and last as the whole text. Elements that are no call are problems, the others are taken.
 */
import { Extraction } from "../extraction.ts";
import { readJson } from "../json-reader.ts";
import { namedCall } from "../named-call.ts";
import { skipSpace, skipSpaceBack } from "../python-strings.ts";
import type { PyValue } from "../python-value.ts";
import { thinkTags } from "../reasoning/think-tags.ts";
import type { ToolFormat } from "../tool-format.ts";

interface Place {
  /** What is taken out of the content. */
  start: number;
  end: number;
  bodyStart: number;
  bodyEnd: number;
}

const END_THINK = "</think>";

export const xlam: ToolFormat = {
  name: "xlam",
  reasoning: thinkTags,
  extract(text) {
    const think = text.indexOf(END_THINK);
    const afterThink = think === -1 ? -1 : think + END_THINK.length;
    if (afterThink !== -1) {
      for (const place of [wholeText(text, afterThink), ...markedPlaces(text, afterThink)]) {
        const elements = readArray(text, place);
        if (elements === null) continue;
        const result = new Extraction(text);
        result.keep(0, afterThink);
        return finish(result, elements, place);
      }
    }
    for (const place of markedPlaces(text, 0)) {
      const elements = readArray(text, place);
      if (elements === null) continue;
      const result = new Extraction(text);
      result.keep(0, place.start);
      result.keep(place.end, text.length);
      return finish(result, elements, place);
    }
    const whole = wholeText(text, 0);
    const elements = readArray(text, whole);
    if (elements !== null) return finish(new Extraction(text), elements, whole);
    const meant = text[whole.start] === "[";
    return meant
      ? Extraction.raw(text, "malformed", "The text begins with [ but is no JSON array.")
      : Extraction.raw(text);
  },
};

function finish(result: Extraction, elements: readonly PyValue[], place: Place): Extraction {
  for (const element of elements) {
    const call = namedCall(element, {
      argumentKeys: ["arguments"],
      missingArguments: "refused",
      textArguments: "verbatim",
    });
    if (call !== null) result.call(call, place.start, place.end);
    else result.problem("no_name", 'An element without "name" or "arguments".', place.start, place.end);
  }
  if (elements.length === 0) result.problem("malformed", "An empty array of calls.", place.start, place.end);
  result.trimContent();
  return result;
}

function readArray(text: string, place: Place): PyValue[] | null {
  if (text[skipSpace(text, place.bodyStart)] !== "[") return null;
  const read = readJson(text.slice(place.bodyStart, place.bodyEnd));
  return read.ok && Array.isArray(read.value) ? read.value : null;
}

function wholeText(text: string, from: number): Place {
  const start = skipSpace(text, from);
  const end = skipSpaceBack(text, start, text.length);
  return { start, end, bodyStart: start, bodyEnd: end };
}

/** The first place of each kind, in the order of preference. */
function markedPlaces(text: string, from: number): Place[] {
  const places: Place[] = [];
  const fence = text.indexOf("```", from);
  const fenceEnd = fence === -1 ? -1 : text.indexOf("```", fence + 3);
  if (fenceEnd !== -1) {
    const bodyStart = text.startsWith("json", fence + 3) ? fence + 7 : fence + 3;
    places.push({ start: fence, end: fenceEnd + 3, bodyStart, bodyEnd: fenceEnd });
  }
  const marker = text.indexOf("[TOOL_CALLS]", from);
  if (marker !== -1)
    places.push({ start: marker, end: text.length, bodyStart: marker + "[TOOL_CALLS]".length, bodyEnd: text.length });
  const tag = text.indexOf("<tool_call>", from);
  const tagEnd = tag === -1 ? -1 : text.indexOf("</tool_call>", tag);
  if (tagEnd !== -1)
    places.push({
      start: tag,
      end: tagEnd + "</tool_call>".length,
      bodyStart: tag + "<tool_call>".length,
      bodyEnd: tagEnd,
    });
  return places;
}
