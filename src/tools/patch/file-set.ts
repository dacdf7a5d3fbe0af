/**
 * The files that a patch touches, as they will be once it is applied. Operations work on this picture; the sandbox changes
 * only in `commit`, which either makes all changes or puts back those that it made.
 */
import { errorMessage } from "../../core/index.ts";
import type { Sandbox } from "../../sandbox/index.ts";
import { endsRollout } from "../fatal.ts";
import { FileProblem } from "./file-problem.ts";

/** Longer files are refused rather than held in memory twice. */
export const LONGEST_FILE = 400 * 1024 * 1024;

interface Entry {
  /** null: there is no such file. */
  before: Uint8Array | null;
  after: Uint8Array | null;
  mode: number;
}

export class FileSet {
  readonly #sandbox: Sandbox;
  readonly #entries = new Map<string, Entry>();

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Present content, or null when nothing is there. Throws FileProblem for what is no regular file. */
  async read(path: string): Promise<Uint8Array | null> {
    return (await this.#entry(path)).after;
  }

  async write(path: string, content: Uint8Array, mode?: number): Promise<void> {
    const entry = await this.#entry(path);
    entry.after = content;
    if (entry.before === null && mode !== undefined) entry.mode = mode;
  }

  async remove(path: string): Promise<void> {
    (await this.#entry(path)).after = null;
  }

  async modeOf(path: string): Promise<number> {
    return (await this.#entry(path)).mode;
  }

  /** Makes the changes: files are written first, then removed. Throws after putting back what was done. */
  async commit(): Promise<void> {
    const changed = [...this.#entries].filter(([, entry]) => entry.before !== entry.after);
    const done: [string, Entry][] = [];
    try {
      for (const [path, entry] of changed) {
        if (entry.after === null) continue;
        done.push([path, entry]);
        await this.#sandbox.writeFile(path, entry.after, { mode: entry.mode });
      }
      for (const [path, entry] of changed) {
        if (entry.after !== null) continue;
        done.push([path, entry]);
        await this.#delete(path);
      }
    } catch (error) {
      if (endsRollout(error)) throw error;
      const left = await this.#putBack(done);
      const fate =
        left.length === 0 ? "Nothing was changed." : `These files could not be put back: ${left.join(", ")}.`;
      throw new FileProblem(`${errorMessage(error)} ${fate}`);
    }
  }

  async #putBack(done: readonly [string, Entry][]): Promise<string[]> {
    const left: string[] = [];
    for (const [path, entry] of [...done].reverse()) {
      try {
        if (entry.before === null) await this.#delete(path);
        else await this.#sandbox.writeFile(path, entry.before, { mode: entry.mode });
      } catch (error) {
        if (endsRollout(error)) throw error;
        left.push(path);
      }
    }
    return left;
  }

  async #delete(path: string): Promise<void> {
    const { exitCode, stderr } = await this.#sandbox.exec(["rm", "-f", "--", path], { timeoutMs: 30_000 });
    if (exitCode !== 0) throw new FileProblem(stderr.trim() || `${path} could not be removed.`);
  }

  async #entry(path: string): Promise<Entry> {
    const known = this.#entries.get(path);
    if (known) return known;
    const stat = await this.#sandbox.stat(path);
    if (stat && stat.type !== "file")
      throw new FileProblem(`${path} is ${stat.type === "directory" ? "a directory" : "not a regular file"}`);
    if (stat && stat.size > LONGEST_FILE)
      throw new FileProblem(`${path} is too long to be patched (${stat.size} bytes)`);
    const before = stat ? await this.#sandbox.readFile(path) : null;
    const entry: Entry = { before, after: before, mode: stat?.mode ?? 0o644 };
    this.#entries.set(path, entry);
    return entry;
  }
}
