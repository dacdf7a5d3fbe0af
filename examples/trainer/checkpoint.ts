/**
 * What the trainer keeps: one folder per step that is at once a model in Hugging Face layout, for the inference server,
 * and the optimiser's state, for the trainer. A folder appears whole, by a rename, or not at all; a trainer that was
 * killed goes on from the newest one.
 */
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, LachesisError } from "lachesis/core";
import { type ModelConfig, readModelConfig, readSafetensors } from "lachesis/inference";
import { type AdamWState, newAdamWState } from "./adamw.ts";
import type { MetricsRow } from "./metrics.ts";
import { Parameters, view } from "./network/parameters.ts";
import { safetensorsBytes } from "./safetensors-writer.ts";

/** What is in trainer.json. */
export interface Progress {
  /** Batches trained on. */
  step: number;
  /** Fingerprints of the last of them, so that none is trained on twice when it is delivered again. */
  batches: string[];
  updates: number;
  row: MetricsRow | null;
}

export interface Restored extends Progress {
  folder: string;
  weights: Float32Array;
  optimizer: AdamWState;
}

/** Files that make a model folder complete beside its weights. */
const COMPANIONS = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"];

export class Checkpoints {
  readonly #directory: string;
  readonly #model: string;
  readonly #dtype: "F32" | "F16";
  readonly #keep: number;
  readonly config: ModelConfig;
  readonly parameters: Parameters;

  private constructor(options: CheckpointOptions, config: ModelConfig) {
    this.#directory = options.directory;
    this.#model = options.model;
    this.#dtype = options.dtype;
    this.#keep = options.keep;
    this.config = config;
    this.parameters = new Parameters(config);
  }

  /** Throws `not_found`, `weights_invalid`. */
  static async open(options: CheckpointOptions): Promise<Checkpoints> {
    const file = join(options.model, "config.json");
    const config = readModelConfig(JSON.parse((await bytesOf(file)).toString("utf8")), file);
    await mkdir(options.directory, { recursive: true });
    return new Checkpoints(options, config);
  }

  /** The newest step that was saved, or the model that training begins with. */
  async restore(): Promise<Restored> {
    const newest = (await this.#steps()).at(-1);
    if (newest === undefined) {
      const weights = await this.#weights(join(this.#model, "model.safetensors"), "");
      const optimizer = newAdamWState(weights.length);
      return { step: 0, batches: [], updates: 0, row: null, folder: this.#model, weights, optimizer };
    }
    const folder = this.#folder(newest);
    const progress = JSON.parse((await bytesOf(join(folder, "trainer.json"))).toString("utf8")) as Progress;
    const file = join(folder, "optimizer.safetensors");
    return {
      ...progress,
      folder,
      weights: await this.#weights(file, "master."),
      optimizer: {
        first: await this.#weights(file, "first."),
        second: await this.#weights(file, "second."),
        updates: progress.updates,
      },
    };
  }

  /** Gives the folder. */
  async save(progress: Progress, weights: Float32Array, optimizer: AdamWState): Promise<string> {
    const folder = this.#folder(progress.step);
    const making = join(this.#directory, `making-${progress.step}`);
    await rm(making, { recursive: true, force: true });
    await mkdir(making);
    for (const name of COMPANIONS) await copyIfThere(join(this.#model, name), join(making, name));
    const named = (flat: Float32Array, prefix: string) =>
      this.parameters.slots.map((slot) => ({
        name: `${prefix}${slot.name}`,
        shape: slot.shape,
        data: view(flat, slot),
      }));
    const state = [
      ...named(weights, "master."),
      ...named(optimizer.first, "first."),
      ...named(optimizer.second, "second."),
    ];
    const write = (name: string, data: Uint8Array | string) => writeFile(join(making, name), data, { flush: true });
    await write("model.safetensors", safetensorsBytes(named(weights, ""), this.#dtype));
    await write("optimizer.safetensors", safetensorsBytes(state, "F32"));
    await write("trainer.json", JSON.stringify({ ...progress, updates: optimizer.updates }));
    await rm(folder, { recursive: true, force: true });
    await rename(making, folder);
    return folder;
  }

  /** Deletes all but the newest folders. */
  async prune(): Promise<void> {
    const old = (await this.#steps()).slice(0, -this.#keep);
    for (const step of old) await rm(this.#folder(step), { recursive: true, force: true });
  }

  #folder(step: number): string {
    return join(this.#directory, `step-${String(step).padStart(6, "0")}`);
  }

  async #steps(): Promise<number[]> {
    const names = await readdir(this.#directory);
    return names.flatMap((name) => (/^step-\d{6,}$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => a - b);
  }

  async #weights(file: string, prefix: string): Promise<Float32Array> {
    const tensors = readSafetensors(await bytesOf(file), file);
    const flat = new Float32Array(this.parameters.length);
    for (const slot of this.parameters.slots) {
      const tensor = tensors.get(prefix + slot.name);
      if (!tensor || tensor.shape.join() !== slot.shape.join()) {
        const found = tensor ? `has the shape [${tensor.shape}]` : "is missing";
        const message = `${file}: ${prefix}${slot.name} ${found}; config.json asks for [${slot.shape}].`;
        throw new LachesisError("weights_invalid", message, { details: { file } });
      }
      view(flat, slot).set(tensor.data);
    }
    return flat;
  }
}

export interface CheckpointOptions {
  /** Where the step folders are made. */
  directory: string;
  /** The model that training begins with. */
  model: string;
  /** Of the model's file; the optimiser's own copy is always float32. */
  dtype: "F32" | "F16";
  /** Step folders that are kept. */
  keep: number;
}

async function bytesOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new LachesisError("not_found", `${file} cannot be read.`, { cause, details: { file } });
  }
}

async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if (!isErrno(error) || error.code !== "ENOENT") throw error;
  }
}
