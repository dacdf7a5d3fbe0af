/** `metrics.jsonl`: one line per step, `{"step", "time", …metrics}`, appended. */
import { type FileHandle, open } from "node:fs/promises";
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
    this.#handle ??= await open(this.#path, "a");
    const line = JSON.stringify({ step, time: new Date().toISOString(), ...environment, ...server });
    await this.#handle.write(`${line}\n`);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }
}
