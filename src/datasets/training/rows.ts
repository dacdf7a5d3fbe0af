/**
 * Training rows: conversations for supervised training, pairs for preference training. In a row, an assistant message
 * with `weight: 0` is shown and not trained: it is trained in another row of the same rollout.
 */
import { type ChatMessage, LachesisError, type ToolSchema } from "../../core/index.ts";
import { givenTurns } from "./given-turns.ts";
import type { Conversation, ScoredRollout, TokenRow, TrainingGroup } from "./scored-group.ts";
import { isApart, type SelectOptions, selected } from "./select.ts";

export type WeightedMessage = ChatMessage & { weight?: 0 };

interface RowFacts {
  score: number;
  item_id: string;
  group_id: string;
  rollout_id: string;
  tools?: ToolSchema[];
}

export type SftRow = RowFacts & ({ messages: WeightedMessage[] } | { prefix: string; completion: string });
export type DpoRow = RowFacts &
  ({ pos: ChatMessage[]; neg: ChatMessage[] } | { prefix: string; pos: string; neg: string });
export type TrainingRow = SftRow | DpoRow;

export type RowKind = "sft" | "dpo";

/** What every row of a kind has, when it holds messages. */
export const COLUMNS: Readonly<Record<RowKind, readonly string[]>> = {
  sft: ["messages", "score", "item_id", "group_id", "rollout_id"],
  dpo: ["pos", "neg", "score", "item_id", "group_id", "rollout_id"],
};

/** Text of a conversation's tokens; given where rows of text are wanted instead of messages. */
export type Decode = (tokens: readonly number[]) => string;

export function sftRows(group: TrainingGroup, options: SelectOptions, decode: Decode | null): SftRow[] {
  const common = decode ? commonPrefix(textsOf(group, decode)) : "";
  const rows = selected(group, options).flatMap((rollout): SftRow[] => {
    const facts = factsOf(group, rollout, rollout.reward);
    if (!decode) return weighted(withMessages(group, rollout)).map((messages) => ({ messages, ...facts }));
    return completions(rollout, common, decode).map((row) => ({ ...row, ...facts }));
  });
  return options.maxPerItem === null ? rows : rows.slice(0, options.maxPerItem);
}

/** Each of the best with a worse one: at least `margin` lower, lowest first, none used twice. */
export function dpoRows(group: TrainingGroup, options: SelectOptions, decode: Decode | null): DpoRow[] {
  const better = selected(group, { ...options, margin: null });
  const worse = [...group.rollouts].sort((a, b) => a.reward - b.reward);
  const prefix = decode && commonPrefix(textsOf(group, decode));
  const rows: DpoRow[] = [];
  const used = new Set<ScoredRollout>();
  for (const pos of better) {
    if (used.has(pos)) continue;
    const neg = worse.find((other) => !used.has(other) && isApart(pos, other, options.margin));
    if (!neg) continue;
    used.add(neg);
    used.add(pos);
    const facts = factsOf(group, pos, pos.reward - neg.reward);
    if (prefix === null) {
      rows.push({
        pos: withMessages(group, pos).at(-1)!.messages,
        neg: withMessages(group, neg).at(-1)!.messages,
        ...facts,
      });
      continue;
    }
    const [a, b] = [lastText(pos, decode!), lastText(neg, decode!)];
    if (a !== null && b !== null)
      rows.push({ prefix, pos: a.slice(prefix.length), neg: b.slice(prefix.length), ...facts });
  }
  return options.maxPerItem === null ? rows : rows.slice(0, options.maxPerItem);
}

/** Throws `data_invalid` where the groups were written without their conversations. */
function withMessages({ groupId }: TrainingGroup, { conversations }: ScoredRollout): readonly Conversation[] {
  if (conversations.length > 0 && conversations.every(({ messages }) => messages.length > 0)) return conversations;
  throw new LachesisError(
    "data_invalid",
    `Group ${groupId} holds no messages. Make groups with env.include_messages: true, or give --tokenizer to write texts of the tokens.`,
  );
}

/**
 * The conversations with each assistant turn weighted in the first only: branches share their beginning. Turns that the
 * policy did not sample (examples in the prompt, say) are shown and never trained.
 */
function weighted(conversations: readonly Conversation[]): WeightedMessage[][] {
  const trained = new Set<string>();
  return conversations.flatMap((conversation) => {
    const { messages } = conversation;
    const given = givenTurns(conversation);
    let turn = 0;
    let history = "";
    let fresh = false;
    const row = messages.map((message): WeightedMessage => {
      history += `${JSON.stringify(message)}\n`;
      if (message.role !== "assistant") return message;
      if (given.has(turn++) || trained.has(history)) return { ...message, weight: 0 };
      trained.add(history);
      fresh = true;
      return message;
    });
    return fresh ? [row] : [];
  });
}

function factsOf(group: TrainingGroup, rollout: ScoredRollout, score: number): RowFacts {
  return {
    score,
    item_id: group.itemId,
    group_id: group.groupId,
    rollout_id: rollout.rolloutId,
    ...(group.tools && { tools: group.tools }),
  };
}

/**
 * One row for each sequence that trains something. A sequence that repeats what an earlier one of its rollout trained
 * (its mask says so) has that in its prefix.
 */
function completions(rollout: ScoredRollout, common: string, decode: Decode): { prefix: string; completion: string }[] {
  return sequencesOf(rollout).flatMap(({ tokens, trainedFrom }) => {
    if (trainedFrom === tokens.length) return [];
    const text = decode(tokens);
    const shown = trainedFrom === null ? "" : decode(tokens.slice(0, trainedFrom));
    // The common text ends the prefix, unless it leaves nothing: a group of one, or equal answers.
    const isLater = shown.length > common.length || common.length === text.length;
    const prefix = isLater && text.startsWith(shown) ? shown : common;
    return prefix.length < text.length ? [{ prefix, completion: text.slice(prefix.length) }] : [];
  });
}

/** The last sequence of a rollout holds its end. */
function lastText(rollout: ScoredRollout, decode: Decode): string | null {
  const last = sequencesOf(rollout).at(-1);
  return last ? decode(last.tokens) : null;
}

/** Throws `data_invalid` where the groups were written without their tokens. */
function textsOf(group: TrainingGroup, decode: Decode): string[] {
  if (group.rollouts.length > 0 && group.rollouts.every((rollout) => sequencesOf(rollout).length === 0)) {
    const what = `Group ${group.groupId} holds no tokens.`;
    throw new LachesisError("data_invalid", `${what} Without --tokenizer rows are made of the messages.`);
  }
  return group.rollouts.flatMap((rollout) => sequencesOf(rollout).map(({ tokens }) => decode(tokens)));
}

function sequencesOf({ conversations }: ScoredRollout): TokenRow[] {
  return conversations.flatMap(({ sequences }) => sequences);
}

/** Cut before a surrogate pair, never inside. */
function commonPrefix(texts: readonly string[]): string {
  const [first = "", ...others] = texts;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && same < other.length && first[same] === other[same]) same++;
    length = same;
  }
  const code = first.charCodeAt(length - 1);
  return first.slice(0, code >= 0xd800 && code < 0xdc00 ? length - 1 : length);
}
