/**
 * `serve`: makes groups for a trainer, as fast as it takes them. Work follows the trajectory API's status: enough
 * workers to keep the queue filled, none beyond the off-policy limit. A finished group is on disk before it counts, and
 * is sent from there, so neither a killed environment nor an API that is down loses it.
 */
import type { ResolvedConfig } from "../config/index.ts";
import { LachesisError, toLachesisError } from "../core/index.ts";
import type { EnvClass } from "./base-env.ts";
import type { BaseEnvConfig } from "./fields.ts";
import { type OpenRun, openEnvironmentRun, type RunOptions } from "./open-run.ts";
import { Progress } from "./progress.ts";
import { endOfRun } from "./run-end.ts";
import { ApiLink } from "./serve/link.ts";
import { Serving } from "./serve/serving.ts";

/** How long finished groups are waited for at the end. */
const FLUSH_MS = 30_000;
const FLUSH_INTERRUPTED_MS = 3_000;

/** Runs an environment in `serve` mode and gives the exit code. Throws only what kept the run from starting. */
export async function runServe(
  Env: EnvClass,
  resolved: ResolvedConfig<object>,
  options: RunOptions = {},
): Promise<number> {
  const config = resolved.env as BaseEnvConfig;
  if (resolved.openai[0]?.server_type === "openai" && !config.allow_rendered_tokens) {
    throw new LachesisError(
      "config_invalid",
      "serve: openai.server_type is openai, which gives no tokens to train on. Use vllm, sglang or embedded, or set env.allow_rendered_tokens for supervised training.",
    );
  }
  const run = await openEnvironmentRun(Env, resolved, "serve", options);
  try {
    return await served(run, options);
  } finally {
    await run.close();
  }
}

async function served(run: OpenRun, options: RunOptions): Promise<number> {
  const { config, control } = run;
  const stop = new AbortController();
  const forget = control.onStop(() => {
    if (control.cancelled) stop.abort(control.cancelled);
  });
  const link = await ApiLink.open({
    url: config.rollout_server_url,
    token: process.env.LACHESIS_API_TOKEN ?? null,
    registration: {
      max_token_length: config.max_token_length,
      desired_name: config.wandb_name ?? run.name,
      weight: config.inference_weight,
      group_size: config.group_size,
      min_batch_allocation: config.min_batch_allocation,
    },
    directory: run.directory.path,
    allowRendered: config.allow_rendered_tokens,
    signal: stop.signal,
    say: (text) => void process.stderr.write(`${text}\n`),
  });
  const progress = new Progress(run, "serve");
  progress.awaited = () => link.awaited;
  let failure: unknown = null;
  let following: Promise<void> | null = null;
  try {
    progress.start();
    const registered = await link.register();
    adviseReplica(run, registered.env.wandb_name);
    run.hub.prefix = registered.env.wandb_name;
    const serving = new Serving(run, link, registered);
    following = link.follow({
      status: (status) => serving.followed(status),
      registered: (anew) => serving.registeredAnew(anew),
    });
    await serving.toEnd();
  } catch (error) {
    if (!control.interrupted) failure = error;
  }
  // What an API forgot meanwhile is registered again while the last groups are sent.
  const left = await link.flush(control.cancelled ? FLUSH_INTERRUPTED_MS : FLUSH_MS);
  stop.abort(new LachesisError("cancelled", "The run ended."));
  await following;
  await link.close();
  forget();
  progress.stop();
  if (left > 0) run.print(`${left} finished groups could not be sent yet; they wait in the run directory's outbox.`);
  if (link.rejected > 0) run.print(`${link.rejected} groups were refused by the API; see outbox/rejected.`);
  return endOfRun(run, failure === null ? null : toLachesisError(failure), options);
}

/** Replicas with one seed would make the same items and sample the same answers. */
function adviseReplica({ config, directory }: OpenRun, name: string): void {
  const number = Number(/_(\d+)$/.exec(name)?.[1] ?? 0);
  if (number === 0 || directory.resumed) return;
  process.stderr.write(
    `This is replica ${number} of the environment (${name}) with env.seed ${config.seed}. Give each replica a seed of its own, or they make the same items.\n`,
  );
}
