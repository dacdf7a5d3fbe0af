/**
 * `node examples/trainer/main.ts`: registers at a trajectory API, trains on what environments send, and gives each new
 * set of weights to the inference servers. Started again with the same --out it goes on where it was.
 */
import { resolve } from "node:path";
import { toLachesisError } from "lachesis/core";
import { BatchSource } from "./batch-source.ts";
import { Checkpoints } from "./checkpoint.ts";
import { Flags, helpText } from "./flags.ts";
import { lineOf } from "./metrics.ts";
import { Trainer } from "./trainer.ts";

const INTERRUPTED = 130;

process.exitCode = await main();

async function main(): Promise<number> {
  const stop = new AbortController();
  const interrupted = () => stop.abort(new Error("interrupted"));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    const flags = new Flags(process.argv.slice(2));
    if (flags.has("help")) {
      process.stdout.write(helpText());
      return 0;
    }
    await train(flags, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    const { code, message } = toLachesisError(error);
    process.stderr.write(`${code}: ${message}\n`);
    return code === "config_invalid" ? 2 : 1;
  }
}

async function train(flags: Flags, signal: AbortSignal): Promise<void> {
  const steps = flags.number("steps");
  const directory = resolve(flags.text("out"));
  const checkpoints = await Checkpoints.open({
    directory,
    model: resolve(flags.text("model")),
    dtype: flags.text("dtype") as "F32" | "F16",
    keep: flags.number("keep"),
  });
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const trainer = await Trainer.open(
    {
      steps,
      directory,
      signal,
      grpo: {
        clip: flags.number("clip"),
        clipHigh: flags.optionalNumber("clip-high") ?? flags.number("clip"),
        ratioLimit: flags.number("ratio-limit"),
        lossMean: flags.text("loss") as "token" | "sequence",
        kl: flags.number("kl"),
      },
      optimizer: {
        learningRate: flags.number("lr"),
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        weightDecay: flags.number("weight-decay"),
      },
      warmupSteps: flags.number("warmup-steps"),
      updatesPerBatch: flags.number("updates-per-batch"),
      maxGradientNorm: flags.number("max-gradient-norm"),
      maxTokens: flags.number("max-tokens"),
      maxStaleness: flags.optionalNumber("max-staleness"),
      threads: flags.number("threads"),
      seed: flags.number("seed"),
      servers: flags.all("server"),
      onStep: (row) => void process.stdout.write(`${flags.has("json") ? JSON.stringify(row) : lineOf(row, steps)}\n`),
    },
    checkpoints,
  );
  try {
    const source = new BatchSource({
      url: flags.text("api"),
      token: process.env.LACHESIS_API_TOKEN ?? null,
      run: flags.text("run"),
      trainer: flags.text("name"),
      protocol: flags.text("protocol") as "auto" | "v1" | "v2",
      leaseMs: flags.number("lease-seconds") * 1000,
      registration: {
        wandb_group: "example",
        wandb_project: "lachesis",
        batch_size: flags.number("batch-size"),
        max_token_len: flags.number("max-tokens"),
        checkpoint_dir: directory,
        save_checkpoint_interval: 1,
        starting_step: trainer.step,
        num_steps: steps,
      },
      signal,
      say,
    });
    await source.register();
    await trainer.run(source);
  } finally {
    await trainer.close();
  }
}
