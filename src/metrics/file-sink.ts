/** `metrics.jsonl`: one line per step, `{"step", "time", …metrics}`, appended. */
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { MetricRow, MetricSink } from "./sink.ts";

export class FileSink implements MetricSink {
  readonly name = "file";
  readonly plainNames = true;
  readonly #path: string;
  #handle: FileHandle | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async write(step: number, environment: MetricRow, server: MetricRow): Promise<void> {
    this.#handle ??= await openForLines(this.#path);
    const line = JSON.stringify({ step, time: new Date().toISOString(), ...environment, ...server });
    await this.#handle.write(`${line}\n`);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }
}

/** Opens the file for appending; a line that a full disk cut is ended first, so that it spoils no other. */
async function openForLines(path: string): Promise<FileHandle> {
  const handle = await open(path, "a+");
  const { size } = await handle.stat();
  const last = Buffer.alloc(1);
  if (size > 0) await handle.read(last, 0, 1, size - 1);
  if (size > 0 && last[0] !== 10) await handle.write("\n");
  return handle;
}

/** The step of the file's last line that can be read; 0 where there is none. */
export async function lastStep(path: string): Promise<number> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  for (let end = text.length; end > 0; ) {
    const start = text.lastIndexOf("\n", end - 1) + 1;
    const step = stepOf(text.slice(start, end));
    if (step !== null) return step;
    end = start - 1;
  }
  return 0;
}

function stepOf(line: string): number | null {
  try {
    const { step } = JSON.parse(line) as { step?: unknown };
    return typeof step === "number" ? step : null;
  } catch {
    return null; // a line that was cut, or the empty text after the last one
  }
}
