/**
 * The words, contents, paths and phrasings of tasks, drawn from material.json with one random generator. Contents hold
 * what a file-writing agent gets wrong: repeated words, quotes, apostrophes, backslashes, numbers and punctuation.
 */
import { readFileSync } from "node:fs";

/** known: words of the training list and made-up ones · unseen: only words kept out of training · mixed: both lists. */
export type WordSource = "known" | "unseen" | "mixed";

interface Material {
  known: string[];
  unseen: string[];
  contractions: string[];
  stems: string[];
  extensions: string[];
  directories: string[];
  templates: Record<string, string[]>;
  terminal_prefixes: string[];
}

const material = JSON.parse(readFileSync(new URL("./material.json", import.meta.url), "utf8")) as Material;

export class TaskWords {
  readonly #random: () => number;
  readonly #source: WordSource;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number, source: WordSource) {
    this.#random = random;
    this.#source = source;
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** An integer of [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  phrasing(name: string): string {
    return this.#pick(material.templates[name] ?? []);
  }

  terminalPrefix(): string {
    return this.#pick(material.terminal_prefixes);
  }

  number(): string {
    return String(this.integer(0, 10 ** this.integer(1, 5) - 1));
  }

  expression(): { expression: string; value: number } {
    const sign = this.#pick(["+", "+", "-", "*"]);
    const top = sign === "*" || this.chance(0.3) ? 12 : 999;
    const a = this.integer(1, top);
    const b = this.integer(1, top);
    const value = sign === "+" ? a + b : sign === "-" ? a - b : a * b;
    return { expression: this.chance(0.12) ? `${a}${sign}${b}` : `${a} ${sign} ${b}`, value };
  }

  lines(): string[] {
    return Array.from({ length: this.integer(2, 5) }, () => {
      if (this.chance(0.1)) return this.number();
      return this.chance(0.25) ? `${this.#word()} ${this.#word()}` : this.#word();
    });
  }

  content(): string {
    const count = this.#pick([1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7]);
    const words = this.#wordList(count);
    const at = this.integer(0, count - 1);
    if (this.chance(0.14)) words[this.integer(0, count - 1)] = this.number();
    if (this.chance(0.1)) words[this.integer(0, count - 1)] = this.#odd();
    const trap = this.#random();
    if (trap < 0.1)
      words[at] = this.chance(0.5) ? this.#pick(material.contractions) : `${capitalized(this.#plainWord())}'s`;
    else if (trap < 0.19) words[at] = `"${words[at]}"`;
    else if (trap < 0.26) words[at] = this.#backslashed();
    if (count > 1 && this.chance(0.08)) words[this.integer(0, count - 2)] += this.#pick([",", ",", ";", ":"]);
    return words.join(" ") + (this.chance(0.14) ? this.#pick([".", "!", "?", "..."]) : "");
  }

  path(): string {
    const known = this.#source !== "unseen";
    let stem = known && this.chance(0.3) ? this.#pick(material.stems) : this.#plainWord();
    if (this.chance(0.25))
      stem += this.#pick(["_", "-"]) + (this.chance(0.6) ? this.#plainWord() : this.integer(1, 99));
    else if (this.chance(0.1)) stem += this.integer(1, 99);
    const start = this.#random();
    const base = start < 0.42 ? "~/" : start < 0.68 ? "/tmp/" : start < 0.83 ? "./" : "";
    const depth = this.#pick([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]);
    const folders = Array.from({ length: depth }, () =>
      known && this.chance(0.5) ? this.#pick(material.directories) : this.#plainWord(),
    );
    return `${base}${[...folders, stem].join("/")}.${this.#pick(material.extensions)}`;
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)]!;
  }

  /** A fifth of the lists repeat words, which a copying model finds hard. */
  #wordList(count: number): string[] {
    if (count < 2 || !this.chance(0.22)) return Array.from({ length: count }, () => this.#word());
    const size = this.integer(this.chance(0.15) ? 1 : 2, Math.max(2, count - 1));
    const pool = Array.from({ length: size }, () => this.#word());
    return Array.from({ length: count }, () => this.#pick(pool));
  }

  #word(): string {
    const word = this.#plainWord();
    const form = this.#random();
    return form < 0.25 ? capitalized(word) : form < 0.28 ? word.toUpperCase() : word;
  }

  #plainWord(): string {
    if (this.#source === "unseen" || (this.#source === "mixed" && this.chance(0.5))) return this.#pick(material.unseen);
    const sort = this.#random();
    if (this.#source === "mixed" || sort < 0.55) return this.#pick(material.known);
    return sort < 0.85 ? this.#madeUpWord() : this.#letters("abcdefghijklmnopqrstuvwxyz", this.integer(2, 7));
  }

  #madeUpWord(): string {
    const consonant = () => this.#letters("bcdfghjklmnprstvwz", 1);
    const syllable = () => consonant() + this.#letters("aeiou", 1) + (this.chance(0.35) ? consonant() : "");
    return Array.from({ length: this.integer(1, 3) }, syllable).join("");
  }

  #letters(alphabet: string, length: number): string {
    return Array.from({ length }, () => this.#pick([...alphabet])).join("");
  }

  /** A date, version, price, address or the like. */
  #odd(): string {
    const word = this.#plainWord();
    const n = this.integer(0, 99);
    const forms = [
      `20${this.integer(10, 99)}-0${this.integer(1, 9)}-${this.integer(10, 28)}`,
      `v${this.integer(0, 9)}.${this.integer(0, 20)}.${this.integer(0, 9)}`,
      `${this.integer(0, 999)}.${n}`,
      `${this.integer(10, 23)}:${this.integer(10, 59)}`,
      `${n}%`,
      `${word}-${this.#plainWord()}`,
      `${word}_${n}`,
      `(${word})`,
      `${word}@${this.#plainWord()}.com`,
      `#${n}`,
      `${word}=${n}`,
      `${word}/${this.#plainWord()}`,
    ];
    return this.#pick(forms);
  }

  #backslashed(): string {
    const word = this.#plainWord();
    const other = this.#plainWord();
    return this.#pick([
      `C:\\${word}`,
      `C:\\${word}\\${other}`,
      `${word}\\${other}`,
      `\\${word}`,
      "\\d+",
      `${word}\\n${other}`,
    ]);
  }
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
