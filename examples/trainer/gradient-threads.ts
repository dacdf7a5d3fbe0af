/**
 * The gradient of a batch over several threads. Groups are dealt out by size in a fixed way and the parts are added in a
 * fixed order, so the same batch gives the same gradient to the last bit.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ModelConfig } from "lachesis/inference";
import type { WeighedGroup } from "./gradient.ts";
import type { GradientTask, GradientWorkerData } from "./gradient-worker.ts";
import { addLoss, type GrpoOptions, type LossSums, noLoss } from "./grpo.ts";
import { addTo } from "./network/matrix.ts";

interface Thread {
  worker: Worker;
  gradient: Float64Array;
  /** Rejects when the thread fails. */
  failed: Promise<never>;
}

export class GradientThreads {
  /** The weights that the threads read; the trainer updates them in place between calls. */
  readonly weights: Float32Array;
  readonly #threads: Thread[];

  constructor(config: ModelConfig, weights: Float32Array, threads: number) {
    const shared = new SharedArrayBuffer(weights.byteLength);
    this.weights = new Float32Array(shared);
    this.weights.set(weights);
    this.#threads = Array.from({ length: threads }, () => {
      const gradient = new SharedArrayBuffer(weights.length * Float64Array.BYTES_PER_ELEMENT);
      const workerData: GradientWorkerData = { config, weights: shared, gradient };
      const worker = new Worker(new URL("./gradient-worker.ts", import.meta.url), { workerData });
      const failed = once(worker, "error").then(([error]) => Promise.reject(error));
      // It is told by the next task; between tasks there is nobody to tell.
      failed.catch(() => {});
      return { worker, gradient: new Float64Array(gradient), failed };
    });
  }

  /** Replaces `gradient` by that of the groups. Rejects when a thread fails. */
  async compute(groups: readonly WeighedGroup[], options: GrpoOptions, gradient: Float64Array): Promise<LossSums> {
    const shares = dealt(groups, this.#threads.length);
    const parts = await Promise.all(
      this.#threads.map(async ({ worker, failed }, index) => {
        const answered = once(worker, "message") as Promise<[LossSums]>;
        worker.postMessage({ groups: shares[index]!, options } satisfies GradientTask);
        return (await Promise.race([answered, failed]))[0];
      }),
    );
    gradient.fill(0);
    const sums = noLoss();
    parts.forEach((part, index) => {
      addLoss(sums, part);
      addTo(gradient, this.#threads[index]!.gradient);
    });
    return sums;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}

/** Largest first, each to the thread that has least. */
function dealt(groups: readonly WeighedGroup[], threads: number): WeighedGroup[][] {
  const shares = Array.from({ length: threads }, () => ({ size: 0, groups: [] as WeighedGroup[] }));
  const size = ({ sequences }: WeighedGroup) => sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  for (const group of groups.toSorted((a, b) => size(b) - size(a))) {
    const least = shares.reduce((best, share) => (share.size < best.size ? share : best));
    least.size += size(group);
    least.groups.push(group);
  }
  return shares.map((share) => share.groups);
}
