/**
 * The evaluations of a training run, one at a time. Their samples, metrics and numbers are kept apart from those of
 * training; one that fails is said and does not end the training.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../../core/index.ts";
import { copyEvaluateLog, type EvalMetrics, writeEvaluateConfig, writeMetrics } from "../../evaluation/index.ts";
import type { MetricRow } from "../../metrics/index.ts";
import { evaluationNumbers } from "../evaluate.ts";
import { type MeasuredValue, measuredMeans, measuring } from "../metric-scope.ts";
import type { OpenRun } from "../open-run.ts";

export class Evaluations {
  readonly #run: OpenRun;
  readonly #onEnd: () => void;
  #running: Promise<void> | null = null;

  /** @param onEnd Called when one has ended: training may go on. */
  constructor(run: OpenRun, onEnd: () => void) {
    this.#run = run;
    this.#onEnd = onEnd;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Starts the evaluation of a step; one that is still running goes first, and this one is left out. */
  start(step: number): void {
    if (this.#running) {
      this.#run.env.logger.warn({ step }, "the evaluation of this step is left out: the one before it is not done");
      return;
    }
    this.#running = this.#evaluate(step).finally(() => {
      this.#running = null;
      this.#onEnd();
    });
  }

  /** Settles when none is running. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #evaluate(step: number): Promise<void> {
    const { env, evaluation, hub, control } = this.#run;
    const started = performance.now();
    evaluation.prefix = `eval-step-${step}`;
    try {
      const values: MeasuredValue[] = [];
      const result = await measuring(values, () => env.evaluate());
      const row = { ...evaluationNumbers(measuredMeans(values)), ...evaluationNumbers(result) };
      await this.#write(step, row, (performance.now() - started) / 1000);
      await hub.log(step, row, {});
    } catch (error) {
      if (!control.stopped) env.logger.error({ step, error: errorMessage(error) }, "the evaluation failed");
    }
  }

  /** `evals/step-<n>/` in the evaluate_log form, and a copy where the configuration wants one. */
  async #write(step: number, row: MetricRow, seconds: number): Promise<void> {
    const { name, config, directory, servers, publicConfig } = this.#run;
    const folder = join(directory.path, "evals", `step-${step}`);
    await writeEvaluateConfig(folder, publicConfig);
    await writeMetrics(folder, {
      task: `${name}_eval`,
      model: servers.modelName,
      metrics: row as EvalMetrics,
      seconds,
      generation: { temperature: config.eval_temperature, max_new_tokens: config.max_token_length },
    });
    await this.#samples(folder);
    const copy = config.data_dir_to_save_evals;
    if (copy !== null) await copyEvaluateLog(folder, join(copy, `step-${step}`));
  }

  async #samples(folder: string): Promise<void> {
    const { recorder, evaluation } = this.#run;
    const file = await open(join(folder, "samples.jsonl"), "w");
    try {
      for (const { group_id, split, place } of recorder.state.rollouts.values()) {
        if (split !== "eval" || !place || !group_id.startsWith(`${evaluation.prefix}:`)) continue;
        await file.write(`${JSON.stringify(await recorder.bulkOf(place))}\n`);
      }
    } finally {
      await file.close();
    }
  }
}
