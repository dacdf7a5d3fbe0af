/**
 * Groups as training data is made from them: conversations with rewards, out of the lines of groups.jsonl or
 * samples.jsonl, or from a trajectory API. A rollout that branched has several conversations.
 */
import { type ChatMessage, isObject, LachesisError, type ToolSchema } from "../../core/index.ts";

export interface Conversation {
  messages: ChatMessage[];
  /** null where the source has none. */
  tokens: number[] | null;
}

export interface ScoredRollout {
  rolloutId: string;
  reward: number;
  /** More than one where the rollout branched. */
  conversations: Conversation[];
}

export interface TrainingGroup {
  groupId: string;
  itemId: string;
  tools: ToolSchema[] | null;
  rollouts: ScoredRollout[];
}

/** Reads a parsed line. `place` (FILE:LINE) is for messages. Throws `data_invalid`. */
export function trainingGroup(value: unknown, place: string, number: number): TrainingGroup {
  if (!isObject(value)) throw wrong(place, "an object is expected");
  return "reward" in value || "outcome" in value ? fromSample(value, place) : fromGroup(value, place, number);
}

function fromGroup(value: Record<string, unknown>, place: string, number: number): TrainingGroup {
  const { scores, messages, tokens, rollout_ids } = value;
  if (!isNumbers(scores)) throw wrong(place, "`scores` must be a list of numbers");
  const texts = Array.isArray(messages) ? (messages as ChatMessage[][]) : null;
  const ids = Array.isArray(tokens) ? (tokens as number[][]) : null;
  const rollouts = new Map<string, ScoredRollout>();
  scores.forEach((reward, row) => {
    const rolloutId = Array.isArray(rollout_ids) ? String(rollout_ids[row]) : `${number}/${row}`;
    const rollout = rollouts.get(rolloutId) ?? { rolloutId, reward, conversations: [] };
    rollouts.set(rolloutId, rollout);
    const conversation = { messages: texts?.[row] ?? [], tokens: ids?.[row]?.length ? ids[row]! : null };
    // Sequences of one conversation (thinking that was stripped, say) share its messages: it is one row.
    const { length } = conversation.messages;
    const known = length > 0 && rollout.conversations.some((other) => sameText(other.messages, conversation.messages));
    if (!known) rollout.conversations.push(conversation);
  });
  return {
    groupId: typeof value.group_id === "string" ? value.group_id : String(number),
    itemId: typeof value.item_id === "string" ? value.item_id : String(number),
    tools: Array.isArray(value.tools) && value.tools.length > 0 ? (value.tools as ToolSchema[]) : null,
    rollouts: [...rollouts.values()],
  };
}

/** A line of samples.jsonl: one attempt of an evaluation. */
function fromSample(value: Record<string, unknown>, place: string): TrainingGroup {
  const { outcome, messages, item_id, rollout_id } = value;
  if (!Array.isArray(messages)) throw wrong(place, "`messages` must be a list");
  const reward = isObject(outcome) && outcome.kind === "scored" ? Number(outcome.reward) : null;
  const itemId = String(item_id ?? place);
  const rolloutId = String(rollout_id ?? place);
  const conversation = { messages: messages as ChatMessage[], tokens: null };
  return {
    groupId: itemId,
    itemId,
    tools: Array.isArray(value.tools) ? (value.tools as ToolSchema[]) : null,
    rollouts: reward === null ? [] : [{ rolloutId, reward, conversations: [conversation] }],
  };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number" && Number.isFinite(item));
}

function sameText(a: readonly ChatMessage[], b: readonly ChatMessage[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
}

function wrong(place: string, what: string): LachesisError {
  return new LachesisError("data_invalid", `${place}: ${what}.`);
}
