/**
 * Typed reading of tokenizer.json and its kin, which are files that anyone may have written. Every fault names the
 * place in the file; nothing is guessed.
 */
import { isObject, LachesisError } from "../../core/index.ts";

/** One JSON object of a tokenizer file, and where it stands. */
export class Fields {
  readonly json: Record<string, unknown>;
  readonly where: string;

  constructor(json: unknown, where: string) {
    if (!isObject(json)) throw tokenizerError(`${where} is not an object`);
    this.json = json;
    this.where = where;
  }

  has(name: string): boolean {
    return this.json[name] !== undefined && this.json[name] !== null;
  }

  text(name: string, fallback?: string): string {
    const value = this.json[name];
    if (typeof value === "string") return value;
    if (value !== undefined && value !== null) throw this.#wrong(name, "a text");
    if (fallback === undefined) throw this.#wrong(name, "a text");
    return fallback;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.json[name];
    if (typeof value === "boolean") return value;
    if (value !== undefined && value !== null) throw this.#wrong(name, "true or false");
    return fallback;
  }

  number(name: string, fallback?: number): number {
    const value = this.json[name];
    if (typeof value === "number") return value;
    if ((value !== undefined && value !== null) || fallback === undefined) throw this.#wrong(name, "a number");
    return fallback;
  }

  /** An absent list is empty. */
  list(name: string): unknown[] {
    const value = this.json[name];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.#wrong(name, "a list");
    return value;
  }

  /** null where the field is absent or null. */
  object(name: string): Fields | null {
    return this.has(name) ? new Fields(this.json[name], `${this.where}.${name}`) : null;
  }

  objects(name: string): Fields[] {
    return this.list(name).map((item, index) => new Fields(item, `${this.where}.${name}[${index}]`));
  }

  #wrong(name: string, expected: string): LachesisError {
    return tokenizerError(`${this.where}.${name} must be ${expected}`);
  }
}

export function tokenizerError(message: string, cause?: unknown): LachesisError {
  return new LachesisError("tokenizer_error", `Tokenizer: ${message}.`, { cause });
}
