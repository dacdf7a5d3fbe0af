/**
 * The filter language over an item's rollouts: `0 < avg < 1`, `pass@4 >= 0.5 and n >= 8`, `not solved`. Names: `avg`,
 * `best`, `worst` (rewards), `solved` (rollouts with a reward of at least 1), `n` (scored rollouts), `pass@K` (chance that
 * one of K passes, unbiased; a comparison with it is false where n < K).
 */
import { LachesisError, nearestName, passAtK } from "../../core/index.ts";

/** What a filter sees of an item: the rewards of its scored rollouts. */
export type ItemFilter = (rewards: readonly number[]) => boolean;

type Value = (rewards: readonly number[]) => number | null;

const NAMES: ReadonlyMap<string, Value> = new Map<string, Value>(
  Object.entries({
    avg: (rewards) =>
      rewards.length === 0 ? null : rounded(rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length),
    best: (rewards) => (rewards.length === 0 ? null : rewards.reduce((a, b) => Math.max(a, b))),
    worst: (rewards) => (rewards.length === 0 ? null : rewards.reduce((a, b) => Math.min(a, b))),
    solved: (rewards) => rewards.filter(isSolved).length,
    n: (rewards) => rewards.length,
  } satisfies Record<string, Value>),
);

const COMPARE: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map(
  Object.entries({
    "<": (a, b) => a < b,
    "<=": (a, b) => a <= b,
    ">": (a, b) => a > b,
    ">=": (a, b) => a >= b,
    "==": (a, b) => a === b,
    "!=": (a, b) => a !== b,
  } satisfies Record<string, (a: number, b: number) => boolean>),
);

/** Sums of decimal fractions are off by their last binary digits: the mean of three times 0.7 is to be 0.7. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

export function isSolved(reward: number): boolean {
  return reward >= 1;
}

/** What people write who come from another language. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ["=", "; equality is =="],
  ["&", "; write and"],
  ["|", "; write or"],
]);

/** Parentheses and `not` inside each other; deeper expressions are not written by people. */
const DEEPEST = 200;

/** Throws `config_invalid` with the column of what is wrong, and a caret below it. */
export function parseFilter(text: string): ItemFilter {
  return new Parser(text).parse();
}

interface Token {
  text: string;
  column: number;
}

class Parser {
  readonly #text: string;
  readonly #tokens: Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = this.#split();
  }

  parse(): ItemFilter {
    const filter = this.#either();
    const rest = this.#tokens[this.#at];
    if (rest) throw this.#wrong(rest.column, `"${rest.text}" is not expected here${HINTS.get(rest.text) ?? ""}`);
    return filter;
  }

  #either(): ItemFilter {
    const parts = [this.#both()];
    while (this.#take("or")) parts.push(this.#both());
    return parts.length === 1 ? parts[0]! : (rewards) => parts.some((part) => part(rewards));
  }

  #both(): ItemFilter {
    const parts = [this.#one()];
    while (this.#take("and")) parts.push(this.#one());
    return parts.length === 1 ? parts[0]! : (rewards) => parts.every((part) => part(rewards));
  }

  #one(): ItemFilter {
    if (++this.#depth > DEEPEST) throw this.#wrong(this.#column(), `more than ${DEEPEST} levels deep`);
    const filter = this.#negated() ?? this.#grouped() ?? this.#comparison();
    this.#depth--;
    return filter;
  }

  #negated(): ItemFilter | null {
    if (!this.#take("not")) return null;
    const inner = this.#one();
    return (rewards) => !inner(rewards);
  }

  #grouped(): ItemFilter | null {
    if (!this.#take("(")) return null;
    const inner = this.#either();
    if (!this.#take(")")) throw this.#wrong(this.#column(), 'a ")" is missing');
    return inner;
  }

  /** A chain as in mathematics: `0 < avg < 1`; a value alone means that it is more than 0. */
  #comparison(): ItemFilter {
    const first = this.#value();
    const links: { compare: (a: number, b: number) => boolean; value: Value }[] = [];
    for (;;) {
      const compare = COMPARE.get(this.#tokens[this.#at]?.text ?? "");
      if (!compare) break;
      this.#at++;
      links.push({ compare, value: this.#value() });
    }
    if (links.length === 0) return (rewards) => (first(rewards) ?? 0) > 0;
    return (rewards) => {
      let left = first(rewards);
      return links.every(({ compare, value }) => {
        const right = value(rewards);
        const holds = left !== null && right !== null && compare(left, right);
        left = right;
        return holds;
      });
    };
  }

  #value(): Value {
    const token = this.#tokens[this.#at];
    if (!token) throw this.#wrong(this.#column(), "a number or a name is missing");
    this.#at++;
    if (/^-?[\d.]/.test(token.text)) {
      const number = Number(token.text);
      if (!Number.isFinite(number)) throw this.#wrong(token.column, `"${token.text}" is not a number`);
      return () => number;
    }
    const k = /^pass@(\d+)$/.exec(token.text)?.[1];
    if (k !== undefined && Number(k) > 0) {
      return (rewards) => {
        const chance = passAtK(rewards.length, rewards.filter(isSolved).length, Number(k));
        return chance === null ? null : rounded(chance);
      };
    }
    const known = NAMES.get(token.text);
    if (known) return known;
    const nearest = nearestName(token.text, [...NAMES.keys(), "pass@1"]);
    if (/^[<>=!()]|^(and|or)$/i.test(token.text))
      throw this.#wrong(token.column, `a number or a name is missing before "${token.text}"`);
    throw this.#wrong(token.column, `"${token.text}" is not known${nearest ? `; did you mean ${nearest}?` : ""}`);
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at]?.text.toLowerCase() !== text) return false;
    this.#at++;
    return true;
  }

  #column(): number {
    return this.#tokens[this.#at]?.column ?? this.#text.length + 1;
  }

  #split(): Token[] {
    const tokens: Token[] = [];
    const pattern = /\s*(<=|>=|==|!=|<|>|\(|\)|-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|pass@\d+|[a-z_]+|\S)/giuy;
    for (let match = pattern.exec(this.#text); match; match = pattern.exec(this.#text)) {
      tokens.push({ text: match[1]!, column: match.index + match[0].length - match[1]!.length + 1 });
    }
    return tokens;
  }

  #wrong(column: number, what: string): LachesisError {
    const names = `${[...NAMES.keys()].join(", ")}, pass@K`;
    // Tabs and line ends would put the caret elsewhere; of a long expression the part around it is shown.
    const from = Math.max(0, column - 60);
    const shown = this.#text.slice(from, from + 100).replace(/\s/g, " ");
    return new LachesisError(
      "config_invalid",
      `--filter, column ${column}: ${what}${/\?$/.test(what) ? "" : "."}\n  ${shown}\n  ${" ".repeat(column - 1 - from)}^\nNames: ${names}; comparisons < <= > >= == !=; and, or, not, parentheses.`,
    );
  }
}
