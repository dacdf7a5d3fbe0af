/**
 * Looks for lines of a process's output that hold one of some texts, for `watch_patterns`. What it keeps is bounded,
 * whatever the process writes: the first matching lines since it last reported, and how many more there were. A process
 * that matches all the time is reported at most every 15 seconds and, after three floods in a row, no more.
 */
import { withoutEscapes } from "./display.ts";

/** Milliseconds between two reports of one process. */
const WINDOW_MS = 15_000;
/** Floods in a row after which the watch is ended. */
const MOST_FLOODS = 3;
const KEPT_LINES = 10;
const LINE_CHARS = 500;
/** Of a line that has not ended yet. */
const OPEN_LINE_CHARS = 64 * 1024;

export interface WatchReport {
  /** The pattern of the first line. */
  pattern: string;
  /** The matching lines, as far as they are kept. */
  output: string;
  /** Matching lines that are not shown. */
  suppressed: number;
  /** True when this was the last report: the process matches too often. */
  disabled: boolean;
}

export class OutputWatch {
  readonly #patterns: readonly string[];
  readonly #now: () => number;
  readonly #decoder = new TextDecoder();
  #open = "";
  #pattern = "";
  #lines: string[] = [];
  #suppressed = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #floods = 0;
  #over = false;

  /** @param now A monotonic clock in milliseconds. */
  constructor(patterns: readonly string[], now: () => number = () => performance.now()) {
    this.#patterns = patterns;
    this.#now = now;
  }

  add(chunk: Uint8Array): void {
    if (this.#over) return;
    const text = this.#open + this.#decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    this.#open = text.slice(end).slice(-OPEN_LINE_CHARS);
    this.#look(text.slice(0, end));
  }

  /** Takes the last line, which may have no line break. */
  end(): void {
    this.#look(this.#open);
    this.#open = "";
  }

  /** What is to be reported now, or null. @param ended True once the process is over: then nothing is held back. */
  report(ended: boolean): WatchReport | null {
    if (this.#lines.length === 0) return null;
    const now = this.#now();
    if (!ended && now - this.#reportedAt < WINDOW_MS) return null;
    this.#reportedAt = now;
    this.#floods = this.#suppressed > 0 ? this.#floods + 1 : 0;
    this.#over = !ended && this.#floods >= MOST_FLOODS;
    const report = {
      pattern: this.#pattern,
      output: this.#lines.join("\n"),
      suppressed: this.#suppressed,
      disabled: this.#over,
    };
    this.#lines = [];
    this.#suppressed = 0;
    return report;
  }

  #look(text: string): void {
    // Most output matches nothing; it is not taken apart.
    if (!this.#patterns.some((pattern) => text.includes(pattern)) && !text.includes("\x1b")) return;
    for (const raw of text.split("\n")) {
      const line = withoutEscapes(raw);
      const pattern = this.#patterns.find((wanted) => line.includes(wanted));
      if (pattern === undefined) continue;
      if (this.#lines.length >= KEPT_LINES) {
        this.#suppressed++;
        continue;
      }
      if (this.#lines.length === 0) this.#pattern = pattern;
      this.#lines.push(line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}... [truncated]` : line);
    }
  }
}
