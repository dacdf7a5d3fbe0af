/**
 * Where metrics go. A sink takes one row per step; the file sink is always there, others come beside it. A sink that
 * fails is reported once and left out from then on: metrics never end a run.
 */
import { errorMessage, type Logger, logger } from "../core/index.ts";

/** A number, text such as a rollout table, or a small structure. */
export type MetricValue = number | string | readonly number[] | Record<string, number>;
export type MetricRow = Record<string, MetricValue>;

export interface MetricSink {
  readonly name: string;
  /** True for files of the run, which hold no other environment's metrics: the names are given without its prefix. */
  readonly plainNames?: boolean;
  /** `environment` holds the environment's metrics, `server` those of the inference servers. */
  write(step: number, environment: MetricRow, server: MetricRow): Promise<void> | void;
  close?(): Promise<void> | void;
}

/** Sends every row to every sink, in order. */
export class MetricHub {
  readonly #sinks: MetricSink[];
  readonly #logger: Logger;
  #last: Promise<void> = Promise.resolve();
  /** `<prefix>_` stands before the environment's own names, where several environments share a page; null: nothing. */
  prefix: string | null = null;

  constructor(sinks: readonly MetricSink[], log: Logger = logger) {
    this.#sinks = [...sinks];
    this.#logger = log;
  }

  add(sink: MetricSink): void {
    this.#sinks.push(sink);
  }

  log(step: number, environment: MetricRow, server: MetricRow = {}): Promise<void> {
    this.#last = this.#last.then(() => this.#write(step, environment, server));
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#last;
    for (const sink of this.#sinks) await this.#guard(sink, () => sink.close?.());
  }

  async #write(step: number, environment: MetricRow, server: MetricRow): Promise<void> {
    const { prefix } = this;
    const named =
      prefix === null
        ? environment
        : Object.fromEntries(Object.entries(environment).map(([name, value]) => [`${prefix}_${name}`, value]));
    for (const sink of [...this.#sinks]) {
      await this.#guard(sink, () => sink.write(step, sink.plainNames ? environment : named, server));
    }
  }

  async #guard(sink: MetricSink, work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#sinks.splice(this.#sinks.indexOf(sink), 1);
      this.#logger.error(
        { sink: sink.name, error: errorMessage(error) },
        "a metrics sink failed and is left out from now on",
      );
    }
  }
}
