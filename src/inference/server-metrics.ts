/** Numbers of one server for the metrics: latency and attempts over a window, tokens, money and failures in total. */
import { addUsage, type ErrorCode, noUsage, type Usage } from "../core/index.ts";
import { RollingWindow } from "./rolling-window.ts";

export type Split = "train" | "eval";

interface SplitWindows {
  /** Seconds from the first attempt to the answer, waiting for a slot excluded. */
  seconds: RollingWindow;
  attempts: RollingWindow;
}

export class ServerMetrics {
  readonly #windows: Record<Split, SplitWindows>;
  readonly #failures = new Map<ErrorCode, number>();
  #requests = 0;
  #usage: Usage = noUsage();

  constructor(windowLength: number) {
    const windows = () => ({ seconds: new RollingWindow(windowLength), attempts: new RollingWindow(windowLength) });
    this.#windows = { train: windows(), eval: windows() };
  }

  answered(split: Split, latencyMs: number, attempts: number, usage: Usage): void {
    this.#requests++;
    this.#windows[split].seconds.add(latencyMs / 1000);
    this.#windows[split].attempts.add(attempts);
    this.#usage = addUsage(this.#usage, usage);
  }

  failed(code: ErrorCode): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** By name, each with the prefix. Windows without a value give no number. */
  report(prefix: string): Record<string, number> {
    const report: Record<string, number> = {};
    for (const split of ["train", "eval"] as const) {
      const { seconds, attempts } = this.#windows[split];
      if (seconds.count === 0) continue;
      const name = split === "eval" ? `${prefix}eval_` : prefix;
      report[`${name}request_time_avg`] = seconds.mean;
      report[`${name}request_time_std`] = seconds.std;
      report[`${name}request_time_99p`] = seconds.percentile(99);
      report[`${name}average_num_attempts`] = attempts.mean;
    }
    report[`${prefix}requests`] = this.#requests;
    for (const [code, count] of this.#failures) report[`${prefix}failures_${code}`] = count;
    report[`${prefix}prompt_tokens`] = this.#usage.prompt_tokens;
    report[`${prefix}completion_tokens`] = this.#usage.completion_tokens;
    report[`${prefix}cached_tokens`] = this.#usage.cached_tokens;
    if (this.#usage.cost_usd !== null) report[`${prefix}cost_usd`] = this.#usage.cost_usd;
    return report;
  }
}
