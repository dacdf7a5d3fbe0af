/**
 * Groups as training data is made from them: conversations with rewards, out of the lines of groups.jsonl or
 * samples.jsonl, or from a trajectory API. A rollout that branched has several conversations. What has the wrong shape is
 * an error that names the line and the field; nothing is guessed.
 */
import { type ChatMessage, isObject, LachesisError, type ToolSchema } from "../../core/index.ts";

/** A sequence of tokens that a conversation gave; several where its history was rendered anew on the way. */
export interface TokenRow {
  tokens: number[];
  /** Place of the first token that is trained; null where no mask says it. */
  trainedFrom: number | null;
}

export interface SampledTurns {
  count: number;
  /** Where each ends, as a part of the sequence's tokens; null where several sequences hold the conversation. */
  ends: number[] | null;
}

export interface Conversation {
  messages: ChatMessage[];
  /** Empty where the source has none. */
  sequences: TokenRow[];
  /** The turns that the policy sampled; null where no masks say it. */
  sampled: SampledTurns | null;
}

export interface ScoredRollout {
  rolloutId: string;
  reward: number;
  /** More than one where the rollout branched. */
  conversations: Conversation[];
}

/** How a group stands among the groups of its item. */
export interface Standing {
  /** The highest reward of the item. */
  best: number;
  /** Whether the item's shortest correct rollout is in this group; false where there is none. */
  hasShortest: boolean;
}

export interface TrainingGroup {
  groupId: string;
  itemId: string;
  tools: ToolSchema[] | null;
  rollouts: ScoredRollout[];
  /** One attempt of an evaluation, not a whole group. */
  isSample: boolean;
  /** null: the group is all that is known of its item. */
  standing: Standing | null;
}

/**
 * Reads a parsed line. `place` (FILE:LINE) is for messages; `number` names what has no name of its own.
 * Throws `data_invalid`.
 */
export function trainingGroup(value: unknown, place: string, number: number | string): TrainingGroup {
  if (!isObject(value)) throw wrong(place, "an object is expected");
  return "reward" in value || "outcome" in value ? fromSample(value, place) : fromGroup(value, place, number);
}

function fromGroup(value: Record<string, unknown>, place: string, number: number | string): TrainingGroup {
  const { scores } = value;
  if (!Array.isArray(scores) || !scores.every((score) => Number.isFinite(score)))
    throw wrong(place, "`scores` must be a list of numbers");
  const rows = (name: string) => listOf(value, name, scores.length, place);
  const [messages, tokens, masks, ids] = [rows("messages"), rows("tokens"), rows("masks"), rows("rollout_ids")];
  const rollouts = new Map<string, ScoredRollout>();
  scores.forEach((reward: number, row) => {
    const rolloutId = ids ? String(ids[row]) : `${number}/${row}`;
    const rollout = rollouts.get(rolloutId) ?? { rolloutId, reward, conversations: [] };
    rollouts.set(rolloutId, rollout);
    const text = messages ? messagesOf(messages[row], `messages[${row}]`, place) : [];
    const numbers = tokens ? integersOf(tokens[row], `tokens[${row}]`, place) : [];
    const mask = masks ? maskOf(maskRow(masks[row], row, tokens && numbers, place)) : null;
    // Masks of rendered tokens tell what the template showed whole, not what was sampled.
    const sampled = value.token_source === "rendered" ? null : (mask?.sampled ?? null);
    const sequences = numbers.length > 0 ? [{ tokens: numbers, trainedFrom: mask?.from ?? null }] : [];
    // Sequences of one conversation (thinking that was stripped, say) share its messages: it is one row of messages.
    const known = text.length > 0 && rollout.conversations.find(({ messages }) => sameText(messages, text));
    if (!known) {
      rollout.conversations.push({ messages: text, sequences, sampled });
      return;
    }
    known.sequences.push(...sequences);
    known.sampled = sampled && known.sampled && { count: known.sampled.count + sampled.count, ends: null };
  });
  return {
    groupId: nameOf(value.group_id, number),
    itemId: nameOf(value.item_id, number),
    tools: toolsOf(value.tools ?? sentTools(value.generation_params), place),
    rollouts: [...rollouts.values()],
    isSample: false,
    standing: null,
  };
}

/** A line of samples.jsonl: one attempt of an evaluation. */
function fromSample(value: Record<string, unknown>, place: string): TrainingGroup {
  const { outcome, item_id, rollout_id } = value;
  const itemId = String(item_id ?? place);
  const conversation: Conversation = {
    messages: messagesOf(value.messages, "messages", place),
    sequences: [],
    sampled: null,
  };
  const rollout = { rolloutId: String(rollout_id ?? place), conversations: [conversation] };
  const reward = rewardOf(isObject(outcome) ? outcome : { kind: "scored", reward: value.reward }, place);
  return {
    groupId: itemId,
    itemId,
    tools: toolsOf(value.tools, place),
    rollouts: reward === null ? [] : [{ ...rollout, reward }],
    isSample: true,
    standing: null,
  };
}

/** null: the attempt was not scored. */
function rewardOf(outcome: Record<string, unknown>, place: string): number | null {
  if (outcome.kind !== "scored" || outcome.reward === null) return null;
  if (typeof outcome.reward !== "number" || !Number.isFinite(outcome.reward))
    throw wrong(place, "`outcome.reward` must be a number");
  return outcome.reward;
}

/** A field with one entry for each score; null where it is not given. */
function listOf(value: Record<string, unknown>, name: string, length: number, place: string): unknown[] | null {
  const list = value[name] ?? null;
  if (list === null) return null;
  if (!Array.isArray(list)) throw wrong(place, `\`${name}\` must be a list`);
  if (list.length !== length) throw wrong(place, `\`${name}\` has ${list.length} entries for ${length} scores`);
  return list;
}

function messagesOf(value: unknown, name: string, place: string): ChatMessage[] {
  if (!Array.isArray(value)) throw wrong(place, `\`${name}\` must be a list of messages`);
  value.forEach((message, index) => {
    const known = isObject(message) && ROLES.has(message.role as string);
    if (!known)
      throw wrong(place, `\`${name}[${index}]\` must be a message with one of the roles ${[...ROLES].join(", ")}`);
    const { content = null } = message as Record<string, unknown>;
    if (content !== null && typeof content !== "string" && !Array.isArray(content))
      throw wrong(place, `\`${name}[${index}].content\` must be a text, a list of parts or null`);
    if (Array.isArray(content) && !content.every(isObject))
      throw wrong(place, `\`${name}[${index}].content\` must be a list of objects`);
    const { tool_calls = null } = message as Record<string, unknown>;
    if (tool_calls !== null && !(Array.isArray(tool_calls) && tool_calls.every(isCall)))
      throw wrong(place, `\`${name}[${index}].tool_calls\` must be a list of calls with a \`function\` and its name`);
  });
  return value as ChatMessage[];
}

function isCall(value: unknown): boolean {
  return isObject(value) && isObject(value.function) && typeof value.function.name === "string";
}

const ROLES: ReadonlySet<string> = new Set(["system", "developer", "user", "assistant", "tool"]);

function integersOf(value: unknown, name: string, place: string): number[] {
  if (!Array.isArray(value) || !value.every(Number.isInteger))
    throw wrong(place, `\`${name}\` must be a list of integers`);
  return value as number[];
}

function maskRow(value: unknown, row: number, tokens: readonly number[] | null, place: string): number[] {
  const mask = integersOf(value, `masks[${row}]`, place);
  if (tokens === null || mask.length === tokens.length) return mask;
  throw wrong(place, `\`masks[${row}]\` has ${mask.length} entries for ${tokens.length} tokens`);
}

/** Over the wire of a trajectory API they are among the parameters of the generation. */
function sentTools(parameters: unknown): unknown {
  return isObject(parameters) ? parameters.tools : null;
}

function toolsOf(value: unknown, place: string): ToolSchema[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || !value.every(isObject)) throw wrong(place, "`tools` must be a list of tool definitions");
  return value.length > 0 ? (value as unknown as ToolSchema[]) : null;
}

/**
 * The first token that is trained, and the stretches of such tokens: one for each sampled turn, because the template's
 * tokens stand between. null where the first token is trained already: such masks do not tell prompt and answer apart.
 */
function maskOf(mask: readonly number[]): { from: number; sampled: SampledTurns } | null {
  const from = mask.findIndex((id) => id !== -100);
  if (from === 0 || mask.length === 0) return null;
  const ends = mask.flatMap((id, place) =>
    id !== -100 && (mask[place + 1] ?? -100) === -100 ? [(place + 1) / mask.length] : [],
  );
  return { from: from === -1 ? mask.length : from, sampled: { count: ends.length, ends } };
}

function nameOf(value: unknown, number: number | string): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : String(number);
}

function sameText(a: readonly ChatMessage[], b: readonly ChatMessage[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
}

function wrong(place: string, what: string): LachesisError {
  return new LachesisError("data_invalid", `${place}: ${what}.`);
}
