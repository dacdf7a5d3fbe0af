/** Loads a checkpoint from a folder, or from a single safetensors file that takes the sizes of the model in use. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorMessage, isErrno, LachesisError } from "../../core/index.ts";
import { type ModelConfig, readModelConfig } from "./model-config.ts";
import { Network } from "./network.ts";
import { readSafetensors } from "./safetensors.ts";
import { arrangeWeights } from "./weights.ts";

/**
 * Reads everything and checks it; nothing half-loaded is ever given.
 * @param path A folder with config.json and model.safetensors, or a .safetensors file.
 * @param current Sizes to use where there is no config.json beside a single file; null: it must be there.
 * @throws LachesisError `not_found`, `weights_invalid`
 */
export async function loadCheckpoint(path: string, current: ModelConfig | null): Promise<Network> {
  const isFile = (await kindOf(path)) === "file";
  const weightsFile = isFile ? path : join(path, "model.safetensors");
  const configFile = join(isFile ? dirname(path) : path, "config.json");
  const config = isFile && current && (await kindOf(configFile)) === null ? current : await readConfig(configFile);
  const bytes = await readOrFail(weightsFile);
  return new Network(config, arrangeWeights(readSafetensors(bytes, weightsFile), config, weightsFile));
}

async function readConfig(file: string): Promise<ModelConfig> {
  const text = (await readOrFail(file)).toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new LachesisError("weights_invalid", `${file} is not JSON: ${errorMessage(error)}`, { cause: error });
  }
  return readModelConfig(json, file);
}

async function kindOf(path: string): Promise<"file" | "folder" | null> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw new LachesisError("not_found", `${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

async function readOrFail(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const missing = isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR");
    const message = missing ? `There is no ${file}.` : `${file} cannot be read: ${errorMessage(error)}`;
    throw new LachesisError("not_found", `The model cannot be loaded. ${message}`, { cause: error, details: { file } });
  }
}
