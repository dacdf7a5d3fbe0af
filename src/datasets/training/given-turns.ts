/**
 * Which assistant turns of a conversation the policy did not sample. Masks tell it by stretches of trained tokens, one for
 * each sampled turn. Where there are fewer stretches than turns, a stretch belongs to the turn that ends about where it
 * ends: how far into the tokens it is, against how far into the text the turn is.
 */
import { type ChatMessage, textOf } from "../../core/index.ts";
import type { Conversation } from "./scored-group.ts";

/** Numbers of the turns, from 0. */
export function givenTurns({ messages, sampled }: Conversation): ReadonlySet<number> {
  const places = turnEnds(messages);
  if (sampled === null || sampled.count >= places.length) return new Set();
  const { count, ends } = sampled;
  // What is shown but not sampled stands at the beginning, if nothing else is known: examples, or another branch's turns.
  const taken = ends ? nearest(ends, places) : places.map((_, turn) => turn).slice(places.length - count);
  return new Set(places.map((_, turn) => turn).filter((turn) => !taken.includes(turn)));
}

/** How far into the text each assistant turn ends, from 0 to 1. */
function turnEnds(messages: Conversation["messages"]): number[] {
  const asked = messages.findLastIndex(({ role }) => role === "user");
  const lengths = messages.map((message, index) => shownLength(message, index > asked));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let end = 0;
  return messages.flatMap(({ role }, index) => {
    end += lengths[index]!;
    return role === "assistant" ? [end / total] : [];
  });
}

/** What a template writes around a message, in characters. */
const FRAME = 20;

/** About as many characters as a template writes: no pictures, and thoughts only behind the last question. */
function shownLength({ content, reasoning_content, tool_calls }: ChatMessage, showsThoughts: boolean): number {
  const thoughts = showsThoughts ? (reasoning_content ?? "") : "";
  const calls = (tool_calls ?? []).map((call) => JSON.stringify(call.function));
  return [textOf(content), thoughts, ...calls].reduce((sum, text) => sum + text.length, FRAME);
}

/** The cheapest way to give the first so many ends their places; `last` is the place of the last of them. */
interface Way {
  cost: number;
  last: number;
  before: Way | null;
}

/** For each of the ends one of the places, in order, so that they are the least apart; of equals the later ones. */
function nearest(ends: readonly number[], places: readonly number[]): number[] {
  // Of each place: the best way that takes it or earlier ones; null where there are too few.
  let best: (Way | null)[] = places.map(() => null);
  ends.forEach((end, index) => {
    let way: Way | null = null;
    best = places.map((place, turn) => {
      const before: Way | null = index === 0 ? null : (best[turn - 1] ?? null);
      if (index > 0 && before === null) return way;
      const cost = (before?.cost ?? 0) + Math.abs(end - place);
      if (way === null || cost <= way.cost) way = { cost, last: turn, before };
      return way;
    });
  });
  const turns: number[] = [];
  for (let way = best.at(-1) ?? null; way !== null; way = way.before) turns.push(way.last);
  return turns;
}
