/** A thread that computes gradients: weights come and the gradient goes through memory that it shares with the trainer. */
import { parentPort, workerData } from "node:worker_threads";
import type { ModelConfig } from "lachesis/inference";
import { addGradient, type WeighedGroup } from "./gradient.ts";
import type { GrpoOptions } from "./grpo.ts";
import { Llama } from "./network/llama.ts";

export interface GradientWorkerData {
  config: ModelConfig;
  /** float32 [parameters], written by the trainer. */
  weights: SharedArrayBuffer;
  /** float64 [parameters], written here. */
  gradient: SharedArrayBuffer;
}

export interface GradientTask {
  groups: WeighedGroup[];
  options: GrpoOptions;
}

const { config, weights, gradient } = workerData as GradientWorkerData;
const llama = new Llama(config);
const sums = new Float64Array(gradient);

parentPort!.on("message", ({ groups, options }: GradientTask) => {
  llama.setWeights(new Float32Array(weights));
  sums.fill(0);
  parentPort!.postMessage(addGradient(llama, groups, options, sums));
});
