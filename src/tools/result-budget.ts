/**
 * Keeps tool results within what a model can take. A result that is too long is stored whole in the sandbox, as plain
 * text with real line breaks that `read_file` can page, and the model gets its beginning, cut at a line, with a word on
 * what was cut and where the rest is. Nothing is ever cut in silence.
 */
import { isObject, LachesisError } from "../core/index.ts";
import type { Tool } from "./contract.ts";
import { endsRollout } from "./fatal.ts";
import { sandboxPlaces } from "./places.ts";
import type { RolloutTools } from "./rollout-context.ts";

/** Sizes are in characters (UTF-16 units of the text that is sent). */
export interface ResultBudgetOptions {
  default_result_size_chars?: number;
  turn_budget_chars?: number;
  preview_size_chars?: number;
  /** By tool name; Infinity or −1 for never. */
  tool_result_overrides?: Record<string, number>;
}

export interface ResultToFit {
  tool: Pick<Tool, "name" | "maxResultChars">;
  callId: string;
  /** As it would be sent. */
  text: string;
  /** As the tool gave it. */
  result: string | object;
}

/** A result as it is sent, and how to put it aside if its turn is too long; `store` is null when that was done already. */
export interface SizedResult {
  content: string;
  store: (() => Promise<string>) | null;
}

/** @example const budget = new ResultBudget({ default_result_size_chars: 20_000 }); */
export class ResultBudget {
  readonly #resultSize: number;
  readonly #turnSize: number;
  readonly #previewSize: number;
  readonly #overrides: Record<string, number>;

  constructor(options: ResultBudgetOptions = {}) {
    this.#resultSize = options.default_result_size_chars ?? 100_000;
    this.#turnSize = options.turn_budget_chars ?? 200_000;
    this.#previewSize = options.preview_size_chars ?? 1_500;
    this.#overrides = options.tool_result_overrides ?? {};
  }

  /** Longest result of a tool in characters. `read_file` is its own pager and never put aside. */
  limitOf(tool: Pick<Tool, "name" | "maxResultChars">): number {
    if (tool.name === "read_file") return Number.POSITIVE_INFINITY;
    const limit = this.#overrides[tool.name] ?? tool.maxResultChars ?? this.#resultSize;
    return limit < 0 ? Number.POSITIVE_INFINITY : limit;
  }

  /** The result itself if it fits, else its preview after it was stored. */
  async fit(entry: ResultToFit, rollout: RolloutTools): Promise<SizedResult> {
    const store = () => this.#putAside(entry, rollout);
    if (entry.text.length > this.limitOf(entry.tool)) return { content: await store(), store: null };
    const pageable = entry.tool.name !== "read_file" && entry.text.length > this.#previewSize;
    return { content: entry.text, store: pageable ? store : null };
  }

  /** Puts results aside, largest first, until the turn fits; gives the contents in the same order. */
  async fitTurn(results: readonly SizedResult[]): Promise<string[]> {
    const contents = results.map((result) => result.content);
    let total = contents.reduce((sum, content) => sum + content.length, 0);
    const candidates = results
      .map((result, index) => ({ index, size: result.content.length, store: result.store }))
      .sort((a, b) => b.size - a.size || a.index - b.index);
    for (const { index, size, store } of candidates) {
      if (total <= this.#turnSize) break;
      if (!store) continue;
      const content = await store();
      contents[index] = content;
      total += content.length - size;
    }
    return contents;
  }

  async #putAside({ callId, result }: ResultToFit, rollout: RolloutTools): Promise<string> {
    const text = readableText(result);
    const preview = cutAtLine(text, this.#previewSize);
    const lines = countLines(text);
    const size = `${text.length} characters (${humanSize(Buffer.byteLength(text))}, ${lines} lines)`;
    const shown = `The first ${preview.length} characters (${countLines(preview)} lines)`;
    const more = preview.length < text.length ? "\n..." : "";
    try {
      const sandbox = await rollout.sandbox();
      const { results } = await sandboxPlaces(rollout, sandbox);
      const path = `${results}/${freshName(callId, rollout)}.txt`;
      await sandbox.writeFile(path, text);
      return (
        `<persisted-output>\nThe result is too long to show: ${size}. All of it is in the file\n${path}\n` +
        `Page it with read_file (path, offset = first line, limit = number of lines) or look in it with search_files.\n\n` +
        `${shown}:\n${preview}${more}\n</persisted-output>`
      );
    } catch (error) {
      if (endsRollout(error)) throw error;
      const reason = error instanceof LachesisError ? error.message : String(error);
      return `${preview}${more}\n[The result was ${size}; only its beginning is shown, and it could not be stored: ${reason}]`;
    }
  }
}

/**
 * A file name of letters, digits, dashes and underscores, whatever the model's id was, and new in this rollout: servers
 * and parsers repeat ids from turn to turn.
 */
function freshName(callId: string, rollout: RolloutTools): string {
  const used = rollout.state("result-names", () => new Set<string>());
  const clean = callId.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 80) || "result";
  let name = clean;
  for (let number = 2; used.has(name); number++) name = `${clean}-${number}`;
  used.add(name);
  return name;
}

/** The result as a person would write it down: strings as they are, objects field by field with real line breaks. */
export function readableText(result: string | object): string {
  let value: unknown = result;
  if (typeof result === "string") {
    if (!/^\s*[{[]/.test(result)) return result;
    try {
      value = JSON.parse(result);
    } catch {
      return result; // text, not JSON
    }
  }
  if (Array.isArray(value)) return JSON.stringify(value, null, 2);
  if (!isObject(value)) return String(result);
  const parts: string[] = [];
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    if (typeof field === "string" && (field.includes("\n") || field.length > 200)) parts.push(`${key}:\n${field}`);
    else parts.push(`${key}: ${typeof field === "string" ? field : JSON.stringify(field, null, 2)}`);
  }
  return parts.join("\n");
}

/** The beginning of the text, at most `limit` characters, ending at a line's end if that loses less than half of it. */
export function cutAtLine(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const head = wholeCharacters(text.slice(0, limit));
  const newline = head.lastIndexOf("\n");
  return newline > limit / 2 ? head.slice(0, newline + 1) : head;
}

/** Drops half of a surrogate pair at the end. */
function wholeCharacters(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text;
}

function countLines(text: string): number {
  if (text === "") return 0;
  let count = text.endsWith("\n") ? 0 : 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function humanSize(bytes: number): string {
  return bytes >= 1_048_576 ? `${(bytes / 1_048_576).toFixed(1)} MB` : `${(bytes / 1024).toFixed(1)} KB`;
}
