/**
 * The account of a text: which spans are content, which are calls, which are markup of the format. What no span covers
 * is `rest` by construction, so a format cannot lose text by forgetting it.
 */

import type { ParseProblem, ProblemReason } from "./contract.ts";
import { isBlank, strip } from "./python-strings.ts";

export interface ExtractedCall {
  name: string;
  /** JSON text, or what the model wrote in its place. */
  arguments: string;
  /** The model's own id; null where the format carries none. */
  id: string | null;
}

type Span = readonly [start: number, end: number];

export class Extraction {
  readonly text: string;
  readonly calls: ExtractedCall[] = [];
  readonly problems: ParseProblem[] = [];
  /** null: no visible text. */
  content: string | null = null;
  readonly #covered: Span[] = [];

  constructor(text: string) {
    this.text = text;
  }

  /** The whole text as content, without calls; with a reason where calls were meant. */
  static raw(text: string, reason?: ProblemReason, message = ""): Extraction {
    const extraction = new Extraction(text);
    extraction.keep(0, text.length);
    if (reason !== undefined) extraction.problem(reason, message, 0, text.length);
    return extraction;
  }

  /** Adds the span to the content as it is. */
  keep(start: number, end: number): void {
    if (end <= start) return;
    this.content = (this.content ?? "") + this.text.slice(start, end);
    this.cover(start, end);
  }

  /** Adds a call that was read from the span; `unused` are keys of it that mean nothing to the format. */
  call(
    call: { name: string; arguments: string; id?: string | null; unused?: readonly string[] },
    start: number,
    end: number,
  ): void {
    this.calls.push({ name: call.name, arguments: call.arguments, id: call.id ?? null });
    this.cover(start, end);
    if (call.unused !== undefined && call.unused.length > 0)
      this.problem("stray_text", `The call to ${call.name} has unused keys: ${call.unused.join(", ")}.`, start, end);
  }

  /** The span is accounted for: markup, or text that stands elsewhere in the result. */
  cover(start: number, end: number): void {
    if (end > start) this.#covered.push([start, end]);
  }

  /** Notes why a span did not become (a part of) a call; the raw text stands in the problem. */
  problem(reason: ProblemReason, message: string, start: number, end: number): void {
    this.problems.push({ reason, message, raw: this.text.slice(start, end) });
    this.cover(start, end);
  }

  /** Notes text between the parts of a call that belongs to none of them. */
  strayText(start: number, end: number, parts: readonly { start: number; end: number }[]): void {
    let at = start;
    for (const part of [...parts, { start: end, end }]) {
      if (part.start > at && !isBlank(this.text.slice(at, part.start)))
        this.problem("stray_text", "Text between the parameters of a call.", at, part.start);
      at = Math.max(at, part.end);
    }
  }

  /** Notes the parameters of a call that another one of the same name replaces. */
  replacedParts(parts: readonly { key: string; start: number; end: number }[], counts: "first" | "last"): void {
    const seen = new Set<string>();
    for (const part of counts === "first" ? parts : parts.toReversed()) {
      if (seen.has(part.key))
        this.problem("stray_text", `"${part.key}" is given twice; the ${counts} value counts.`, part.start, part.end);
      seen.add(part.key);
    }
  }

  /** Trims the content at both ends; blank content becomes null. */
  trimContent(): void {
    if (this.content !== null) this.content = strip(this.content) || null;
  }

  /** Content of nothing but blanks becomes null; other content stays as it is. */
  dropBlankContent(): void {
    if (this.content !== null && isBlank(this.content)) this.content = null;
  }

  /** What no span covers, trimmed piece by piece and joined by newlines; null where that is nothing. */
  rest(): string | null {
    const pieces: string[] = [];
    let at = 0;
    for (const [start, end] of [...this.#covered].sort((a, b) => a[0] - b[0])) {
      if (start > at) pieces.push(strip(this.text.slice(at, start)));
      at = Math.max(at, end);
    }
    pieces.push(strip(this.text.slice(at)));
    return pieces.filter((piece) => piece !== "").join("\n") || null;
  }
}
