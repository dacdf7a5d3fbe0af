/**
 * Inference servers of a Slurm job: the hosts of SLURM_JOB_NODELIST after the first NUM_TRAINING_NODES, each with
 * 8 / INFER_TP servers on the ports from 9000 on.
 */
import { LachesisError } from "../core/index.ts";

const FIRST_PORT = 9000;
const GPUS_PER_NODE = 8;
const MOST_HOSTS = 100_000;

/**
 * The hosts of a Slurm node list, in its order. Throws `config_invalid` when it is not one.
 * @example
 * expandNodeList("gpu[01-03,7],login1") // ["gpu01", "gpu02", "gpu03", "gpu7", "login1"]
 */
export function expandNodeList(list: string): string[] {
  return splitTopLevel(list).flatMap((part) => expandOne(part, list));
}

/** The base URLs of the job's inference servers. Throws `config_invalid` saying which variable is wrong. */
export function slurmServers(environment: Readonly<Record<string, string | undefined>>): string[] {
  const list = environment.SLURM_JOB_NODELIST;
  if (list === undefined || list.trim() === "") {
    throw wrong(
      "slurm is true, but SLURM_JOB_NODELIST is not set: this is no Slurm job. Set --openai.base_url instead.",
    );
  }
  const training = count(environment, "NUM_TRAINING_NODES", 0, 0);
  const parallel = count(environment, "INFER_TP", 1, 1);
  if (parallel > GPUS_PER_NODE) throw wrong(`INFER_TP is ${parallel}; a node has ${GPUS_PER_NODE} GPUs.`);
  const hosts = expandNodeList(list).slice(training);
  if (hosts.length === 0) {
    throw wrong(`NUM_TRAINING_NODES is ${training}, which leaves no node of SLURM_JOB_NODELIST for inference.`);
  }
  const perNode = Math.floor(GPUS_PER_NODE / parallel);
  return hosts.flatMap((host) =>
    Array.from({ length: perNode }, (_, index) => `http://${host}:${FIRST_PORT + index}/v1`),
  );
}

function count(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  fallback: number,
  least: number,
): number {
  const text = environment[name];
  if (text === undefined || text === "") return fallback;
  if (!/^\d+$/.test(text) || Number(text) < least) throw wrong(`${name} must be an integer of at least ${least}.`);
  return Number(text);
}

function splitTopLevel(list: string): string[] {
  const parts: string[] = [];
  let part = "";
  let depth = 0;
  for (const char of list) {
    if (char === "[") depth++;
    if (char === "]") depth--;
    if (char === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else part += char;
    if (depth < 0 || depth > 1) throw wrong("SLURM_JOB_NODELIST has brackets that do not match.");
  }
  if (depth !== 0) throw wrong("SLURM_JOB_NODELIST has brackets that do not match.");
  parts.push(part);
  return parts.map((name) => name.trim()).filter((name) => name !== "");
}

function expandOne(part: string, list: string): string[] {
  const match = /^([^[\]]*)\[([^[\]]*)\](.*)$/.exec(part);
  if (match === null) return [part];
  const [, before, ranges, after] = match;
  const tails = expandOne(after!, list);
  const hosts: string[] = [];
  for (const range of ranges!.split(",")) {
    const bounds = /^(\d+)(?:-(\d+))?$/.exec(range.trim());
    if (bounds === null)
      throw wrong(`SLURM_JOB_NODELIST has the range "${range}", which is not NUMBER or NUMBER-NUMBER.`);
    const first = bounds[1]!;
    const last = Number(bounds[2] ?? first);
    if (last < Number(first) || last - Number(first) >= MOST_HOSTS) {
      throw wrong(`SLURM_JOB_NODELIST has the range "${range}", whose end is not after its start or too far from it.`);
    }
    for (let number = Number(first); number <= last; number++) {
      const name = `${before}${String(number).padStart(first.length, "0")}`;
      for (const tail of tails) hosts.push(`${name}${tail}`);
    }
    if (hosts.length > MOST_HOSTS) throw wrong("SLURM_JOB_NODELIST names too many hosts.");
  }
  return hosts;
}

const wrong = (message: string): LachesisError => new LachesisError("config_invalid", message);
