/**
 * Makes the environment's tasks: a request in words, the file that must exist afterwards and what it must hold. The same
 * options give the same tasks; no prompt is both in the `train` and in the `eval` split, and the embedded model was
 * never trained on one of `eval` or on a word that counts as unseen (models/tiny/train draws from the same material.json).
 */
import { createHash } from "node:crypto";
import { deriveSeed, seededRandom } from "lachesis";
import { TaskWords, type WordSource } from "./task-words.ts";

export const TASK_KINDS = ["text", "terminal", "lines", "number", "range", "sum"] as const;

/**
 * text: write a given text · terminal: the same, with a shell command · lines: a list, one item a line ·
 * number: one number · range: the numbers from a to b · sum: the value of an expression.
 */
export type TaskKind = (typeof TASK_KINDS)[number];

export interface TerminalTask {
  /** Stable: made from the prompt. */
  id: string;
  kind: TaskKind;
  prompt: string;
  /** As it stands in the prompt: `~/…`, `/tmp/…`, `./…` or relative to the working directory. */
  verify_path: string;
  /** What the file must hold, compared after trimming both. */
  expected_content: string;
}

export interface TaskOptions {
  seed: number;
  count: number;
  split: "train" | "eval";
  /** Default "known". `unseen` draws every word from a list that no training data holds. */
  words?: WordSource;
  /** Default: all, in the proportions of the training data. Given by name: drawn equally often. */
  kinds?: readonly TaskKind[];
}

const SHARES: Record<TaskKind, number> = {
  text: 0.42,
  terminal: 0.16,
  lines: 0.09,
  number: 0.06,
  range: 0.13,
  sum: 0.14,
};

/**
 * Different tasks, all of one split, in a fixed order.
 * @example
 * const items = generateTasks({ seed: 1, count: 500, split: "eval", words: "unseen" });
 */
export function generateTasks(options: TaskOptions): TerminalTask[] {
  const words = options.words ?? "known";
  const random = seededRandom(deriveSeed(options.seed, "terminal-test", options.split, words));
  const maker = new TaskMaker(new TaskWords(random, words));
  const shares = new Map((options.kinds ?? TASK_KINDS).map((kind) => [kind, options.kinds ? 1 : SHARES[kind]]));
  const tasks = new Map<string, TerminalTask>();
  // Collisions are rare; the bound only ends a call that asks for more tasks than its kinds have.
  for (let tries = 0; tasks.size < options.count && tries < options.count * 40 + 1000; tries++) {
    const task = maker.task(drawKind(shares, random()));
    if (isHeldOut(task.prompt) === (options.split === "eval")) tasks.set(task.prompt, task);
  }
  return [...tasks.values()];
}

function drawKind(shares: ReadonlyMap<TaskKind, number>, value: number): TaskKind {
  let rest = value * [...shares.values()].reduce((sum, share) => sum + share, 0);
  let last: TaskKind = "text";
  for (const [kind, share] of shares) {
    last = kind;
    rest -= share;
    if (rest < 0) break;
  }
  return last;
}

/** A tenth of all prompts, told by hash: they are for evaluation only. */
function isHeldOut(prompt: string): boolean {
  return createHash("sha256").update(prompt).digest()[0]! < 26;
}

class TaskMaker {
  readonly #words: TaskWords;

  constructor(words: TaskWords) {
    this.#words = words;
  }

  task(kind: TaskKind): TerminalTask {
    const path = this.#words.path();
    const { phrasing, expected, ...holes } = this.#asked(kind);
    let prompt = this.#words.phrasing(phrasing).replace("{path}", () => path);
    for (const [name, value] of Object.entries(holes)) prompt = prompt.replace(`{${name}}`, () => value);
    if (kind === "terminal") prompt = this.#words.terminalPrefix() + prompt;
    const id = `${kind}-${createHash("sha256").update(prompt).digest("hex").slice(0, 12)}`;
    return { id, kind, prompt, verify_path: path, expected_content: expected };
  }

  /** What fills the phrasing's holes, and what the file must hold then. */
  #asked(kind: TaskKind): { phrasing: string; expected: string; [hole: string]: string } {
    const words = this.#words;
    switch (kind) {
      case "range": {
        const first = words.chance(0.6) ? 1 : words.integer(0, 30);
        const last = first + words.integer(2, words.chance(0.7) ? 12 : 60);
        const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
        return { phrasing: "range", expected: numbers.join("\n"), first: String(first), last: String(last) };
      }
      case "sum": {
        const { expression, value } = words.expression();
        return { phrasing: "sum", expected: String(value), expression };
      }
      case "number": {
        const content = words.number();
        return { phrasing: "number", expected: content, content };
      }
      case "lines": {
        const items = words.lines();
        return { phrasing: "lines", expected: items.join("\n"), items: items.join(", ") };
      }
      default: {
        const content = words.content();
        const quoted = !content.includes('"') && words.chance(0.35);
        return { phrasing: quoted ? "quoted" : "open", expected: content, content };
      }
    }
  }
}
