/**
 * Cohere Command 3 and 4: an action block with a JSON list of calls, the model's own ids in it; answers in response or
 * text blocks, citations marked with `<co>`. Cut JSON is completed; an action that is no JSON is a problem.
 */
import type { ReasoningParser } from "../contract.ts";
import { Extraction } from "../extraction.ts";
import { dumpJson } from "../json-dump.ts";
import { readPartialJson } from "../partial-json.ts";
import { isMap, type PyValue } from "../python-value.ts";
import type { ToolFormat } from "../tool-format.ts";

const ACTION = "<|START_ACTION|>";
const ACTION_END = "<|END_ACTION|>";
const THINK = "<|START_THINKING|>";
const THINK_END = "<|END_THINKING|>";
const ANSWER_MARKS = /<\|(?:START|END)_(?:RESPONSE|TEXT)\|>/g;
const CITATION_OPEN = /<co>/g;
const CITATION_CLOSE = /<\/co(?::[^<>]{0,200})?>/g;

const withoutMarks = (text: string): string =>
  text.replace(ANSWER_MARKS, "").replace(CITATION_OPEN, "").replace(CITATION_CLOSE, "");

const cohereReasoning: ReasoningParser = {
  parse(text) {
    const open = text.indexOf(THINK);
    if (open === -1) return { reasoning: null, content: text || null };
    const close = text.indexOf(THINK_END, open);
    const end = close === -1 ? text.length : close;
    const reasoning = withoutMarks(text.slice(open + THINK.length, end)).replace(/^ +/, "");
    const after = close === -1 ? "" : text.slice(close + THINK_END.length);
    const content = text.slice(0, open) + after;
    const visible = content.includes(ACTION) ? content : withoutMarks(content).replace(/^ +/, "");
    return { reasoning: reasoning || null, content: visible || null };
  },
};

export const cohere: ToolFormat = {
  name: "cohere_command",
  aliases: ["cohere_command3", "cohere_command4"],
  reasoning: cohereReasoning,
  extract(text) {
    const result = new Extraction(text);
    const action = text.indexOf(ACTION);
    const contentEnd = action === -1 ? text.length : action;
    result.cover(0, contentEnd);
    result.content = withoutMarks(text.slice(0, contentEnd)) || null;
    if (action === -1) return result;
    const close = text.indexOf(ACTION_END, action);
    const bodyEnd = close === -1 ? text.length : close;
    const end = close === -1 ? text.length : close + ACTION_END.length;
    const read = readPartialJson(text.slice(action + ACTION.length, bodyEnd));
    if (read === undefined) {
      result.problem("malformed", "The action is no JSON.", action, end);
      return result;
    }
    for (const element of Array.isArray(read.value) ? read.value : [read.value]) {
      const call = readCall(element);
      if (call === null) result.problem("no_name", "An element of the action is no call.", action, end);
      else result.call(call, action, end);
    }
    if (!read.complete) result.problem("truncated", "The action has no end; it was completed.", action, end);
    return result;
  },
};

function readCall(element: PyValue): { name: string; arguments: string; id: string | null } | null {
  if (!isMap(element)) return null;
  const name = element.get("tool_name") ?? element.get("name");
  if (typeof name !== "string" || name === "") return null;
  const args = element.get("parameters") ?? element.get("arguments") ?? new Map();
  const id = element.get("tool_call_id");
  return {
    name,
    arguments: typeof args === "string" ? args : dumpJson(args),
    id: typeof id === "string" && id !== "" ? id : null,
  };
}
