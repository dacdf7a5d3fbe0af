/**
 * What servers of the same protocol refuse, and how the same is said to them. Only what this project adds by itself is
 * ever left out or said otherwise (a sampling seed, names of tool messages, the form of empty content); what the user asked for
 * by `extra_body` is sent as it is, and the refusal is shown.
 */
import { LachesisError } from "../core/index.ts";
import type { ChatRequest, SamplingParams } from "./contract.ts";

export interface WireHabits {
  /** api.openai.com itself: its names for limits and reasoning. */
  isOpenAI: boolean;
  /** `max_tokens` is called `max_completion_tokens`. */
  maxCompletionTokens: boolean;
  /** Reasoning in the history is refused. */
  refusesReasoning: boolean;
  /** There is no `seed`: answers cannot be repeated there. */
  refusesSeed: boolean;
  /** Only the model's own temperature is taken. */
  refusesTemperature: boolean;
  /** One choice a call. */
  refusesN: boolean;
  /** Tool messages have no `name`. */
  refusesToolNames: boolean;
  /** How a message with calls and no text is sent: as it is, with the empty text, or with null. */
  emptyContent: "as it is" | "text" | "null";
}

export const NO_HABITS: WireHabits = {
  isOpenAI: false,
  maxCompletionTokens: false,
  refusesReasoning: false,
  refusesSeed: false,
  refusesTemperature: false,
  refusesN: false,
  refusesToolNames: false,
  emptyContent: "as it is",
};

const REFUSING =
  /unsupported|support|unknown|unrecogni[sz]ed|unexpected|extra|permitted|allowed|implemented|additional|cannot find|invalid|available|deprecated|forbidden/i;
/** A limit on a value says that the field itself is known. */
const LIMIT = /too (large|big|high|many)|at most|less than|greater than|exceed|maximum|minimum|range/i;

type Sent = Partial<Pick<ChatRequest, "messages">> & SamplingParams;

/**
 * The habits with what the refusal of a request teaches; null where it names nothing that can be said otherwise.
 * @param sent The habits that the refused request was made with.
 */
export function learnt(error: unknown, request: Sent, sent: WireHabits): WireHabits | null {
  if (!(error instanceof LachesisError) || error.code !== "bad_request") return null;
  const { message } = error;
  const param = typeof error.details.param === "string" ? error.details.param : "";
  const refuses = (field: string) =>
    param === field || (new RegExp(`(?<![\\w.])${field}(?!\\w)`).test(message) && REFUSING.test(message));
  const { messages = [] } = request;

  if (!sent.maxCompletionTokens && request.max_tokens !== undefined) {
    const named = /max_completion_tokens/.test(message);
    if (named || (refuses("max_tokens") && !LIMIT.test(message))) return { ...sent, maxCompletionTokens: true };
  }
  if (!sent.refusesReasoning && /reasoning_(content|details)/.test(message)) return { ...sent, refusesReasoning: true };
  if (!sent.refusesSeed && request.seed !== undefined && refuses("seed")) return { ...sent, refusesSeed: true };
  if (!sent.refusesTemperature && request.temperature !== undefined && refuses("temperature") && !LIMIT.test(message))
    return { ...sent, refusesTemperature: true };
  if (!sent.refusesN && (request.n ?? 1) > 1 && refuses("n")) return { ...sent, refusesN: true };
  if (!sent.refusesToolNames && messages.some(({ role, name }) => role === "tool" && name !== undefined)) {
    if (/messages?\W{1,4}\d+\W{1,4}(tool\W{1,4})?name\b/.test(`${param} ${message}`) || refuses("name"))
      return { ...sent, refusesToolNames: true };
  }
  return emptyContentLearnt(`${param} ${message}`, messages, sent);
}

function emptyContentLearnt(text: string, messages: ChatRequest["messages"], sent: WireHabits): WireHabits | null {
  if (sent.emptyContent !== "as it is" || !/\bcontents?\b/i.test(text)) return null;
  const calling = messages.filter(({ tool_calls }) => tool_calls !== undefined && tool_calls.length > 0);
  const hasNull = calling.some(({ content }) => content === null);
  const hasEmpty = calling.some(({ content }) => content === "");
  if (hasEmpty && /empty|blank|at least 1|too short|min_?length/i.test(text)) return { ...sent, emptyContent: "null" };
  if (hasNull && /null|none|string|text|required|missing|invalid/i.test(text)) return { ...sent, emptyContent: "text" };
  return null;
}
