/** Prometheus metrics: what went in and out is counted; what a run holds is asked when somebody looks. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { describeRun } from "../state/status.ts";
import type { ArrivingGroup } from "../state/submits.ts";
import type { Store } from "../stores/store.ts";

export class ApiMetrics {
  readonly #registry = new Registry();
  readonly #store: Store;
  readonly #groups: Counter;
  readonly #sequences: Counter;
  readonly #bytes: Counter;
  readonly #batches: Counter;
  readonly #requests: Histogram;
  readonly #gauges: Record<string, Gauge>;

  constructor(store: Store) {
    this.#store = store;
    const registers = [this.#registry];
    const counter = (name: string, help: string) => new Counter({ name, help, labelNames: ["run"], registers });
    this.#groups = counter(
      "lachesis_api_groups_received_total",
      "Groups in submits, before repeated ones are told apart.",
    );
    this.#sequences = counter("lachesis_api_sequences_received_total", "Sequences in submits.");
    this.#bytes = counter("lachesis_api_payload_bytes_total", "Bytes of submitted groups as they are stored.");
    this.#batches = counter("lachesis_api_batches_handed_out_total", "Batches sent to trainers.");
    this.#requests = new Histogram({
      name: "lachesis_api_request_seconds",
      help: "Time to answer; long polls include their wait.",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    const gauge = (name: string, help: string, ...labels: string[]) =>
      new Gauge({ name: `lachesis_api_${name}`, help, labelNames: ["run", ...labels], registers });
    this.#gauges = {
      step: gauge("step", "Batches handed out, from the starting step."),
      queued_groups: gauge("queued_groups", "Groups in the queue."),
      buffered_groups: gauge("buffered_groups", "Groups that wait to complete their env's size."),
      formed_batches: gauge("formed_batches", "Batches that nobody holds."),
      leased_batches: gauge("leased_batches", "Batches with a trainer, not acknowledged."),
      waiting_bytes: gauge("waiting_bytes", "Stored bytes that are still to be handed out."),
      delivered_groups: gauge("delivered_groups", "Groups that were acknowledged."),
      envs: gauge("connected_envs", "Environments that are connected."),
      filtered: gauge("filtered_groups", "Groups that were set aside.", "reason"),
    };
  }

  received(run: string, groups: readonly ArrivingGroup[]): void {
    this.#groups.inc({ run }, groups.length);
    for (const { size, payload } of groups) {
      this.#sequences.inc({ run }, size);
      this.#bytes.inc({ run }, payload.byteLength);
    }
  }

  handedOut(run: string): void {
    this.#batches.inc({ run });
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    for (const gauge of Object.values(this.#gauges)) gauge.reset();
    for (const run of await this.#store.runs()) {
      const { step, counts, envs, filtered } = await this.#store.read(run, describeRun);
      this.#gauges.step!.set({ run }, step);
      for (const [name, value] of Object.entries(counts)) this.#gauges[name]?.set({ run }, value);
      this.#gauges.envs!.set({ run }, envs.filter((env) => env.connected).length);
      for (const [reason, value] of Object.entries(filtered)) this.#gauges.filtered!.set({ run, reason }, value);
    }
    return this.#registry.metrics();
  }
}
