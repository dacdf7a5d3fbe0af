/**
 * What is shown while a run goes on: one live line on a terminal, a plain line every ten seconds elsewhere. It goes to
 * standard error, so that standard output holds results only.
 */
import pc from "picocolors";
import type { ServerManager } from "../inference/index.ts";
import type { OpenRun } from "./open-run.ts";
import type { RunTotals } from "./run-totals.ts";

const LIVE_MS = 200;
const PLAIN_MS = 10_000;

export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export class Progress {
  readonly #run: Pick<OpenRun, "totals" | "servers" | "control" | "name" | "directory">;
  readonly #mode: string;
  readonly #stream: ProgressStream;
  #timer: NodeJS.Timeout | null = null;
  #started = 0;
  #doneAtStart = 0;
  #lastShown = "";
  /** What the run waits for, shown first; null: nothing. */
  awaited: () => string | null = () => null;

  constructor(
    run: Pick<OpenRun, "totals" | "servers" | "control" | "name" | "directory">,
    mode: string,
    stream: ProgressStream = process.stderr,
  ) {
    this.#run = run;
    this.#mode = mode;
    this.#stream = stream;
  }

  start(): void {
    const { directory, totals, name } = this.#run;
    this.#started = performance.now();
    this.#doneAtStart = totals.done;
    const again = directory.resumed ? ` (continued: ${totals.done} rollouts were finished before)` : "";
    this.#stream.write(`${name} ${this.#mode} → ${directory.path}${again}\n`);
    this.#timer = setInterval(() => this.#show(), this.#stream.isTTY ? LIVE_MS : PLAIN_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
    if (this.#stream.isTTY) this.#stream.write(`\r\u001b[K`);
    this.#stream.write(`${this.line(false)}\n`);
  }

  /** The line as it would be shown now. */
  line(colour: boolean): string {
    const seconds = (performance.now() - this.#started) / 1000;
    const parts = progressParts(this.#run.totals, this.#run.servers, seconds, this.#doneAtStart);
    const awaited = this.awaited();
    if (awaited !== null) parts.unshift(awaited);
    if (this.#run.control.cancelled) parts.unshift("stopping");
    else if (this.#run.control.stopped) parts.unshift("letting what is in flight finish");
    return colour ? [pc.bold(parts[0] ?? ""), ...parts.slice(1)].join(pc.dim(" · ")) : parts.join(" · ");
  }

  #show(): void {
    if (!this.#stream.isTTY) {
      const line = this.line(false);
      if (line !== this.#lastShown) this.#stream.write(`${line}\n`);
      this.#lastShown = line;
      return;
    }
    const width = (this.#stream.columns ?? 100) - 1;
    const plain = this.line(false);
    const shown = plain.length <= width ? this.line(true) : plain.slice(0, width);
    this.#stream.write(`\r\u001b[K${shown}`);
  }
}

function progressParts(totals: RunTotals, servers: ServerManager, seconds: number, doneAtStart: number): string[] {
  const { done, planned, mean, meanWithErrors } = totals;
  const fresh = done - doneAtStart;
  const tokens = seconds > 0 ? totals.completionTokens / seconds : 0;
  const limits = servers.servers.map((server) => `${server.inFlight}/${server.limit.limit}`);
  const left = planned !== null && fresh > 0 ? ((planned - done) * seconds) / fresh : null;
  return [
    `${done}/${planned ?? "?"} rollouts`,
    ...(totals.groups > 0 ? [`${totals.groups}${totals.plannedGroups ? `/${totals.plannedGroups}` : ""} groups`] : []),
    mean === null ? "mean –" : `mean ${mean.toFixed(3)} (errors as 0: ${(meanWithErrors ?? 0).toFixed(3)})`,
    `errors ${(totals.errorRate * 100).toFixed(1)} %`,
    ...(totals.retries > 0 ? [`${totals.retries} retries`] : []),
    `${compact(tokens)} tok/s`,
    `requests ${limits.join(" ")}`,
    ...(!totals.costUsd ? [] : [`$${totals.costUsd.toFixed(4)}`]),
    left === null ? duration(seconds) : `${duration(seconds)}, ${duration(left)} left`,
  ];
}

function compact(value: number): string {
  return value >= 10_000
    ? `${(value / 1000).toFixed(0)}k`
    : value >= 1000
      ? `${(value / 1000).toFixed(1)}k`
      : value.toFixed(0);
}

/** 75 → `1:15`, 3700 → `1:01:40`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
