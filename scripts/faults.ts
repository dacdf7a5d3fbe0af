/**
 * Fault injection for the trajectory API, all at once and at random moments: servers and the environment with its outbox
 * are killed, the servers' clocks jump, the disk fills up, connections are slow and are cut, submits are repeated and
 * reordered, trainers die between lease and acknowledgement. At the end every group must have been delivered; more than
 * once only where the trainer died.
 *
 *     node scripts/faults.ts [rounds] [seed] [postgres]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../src/trajectory/stores/postgres-server.fixture.ts";
import { badNetwork } from "./faults/bad-network.ts";
import { startServers } from "./faults/servers.ts";
import { smallDisk } from "./faults/small-disk.ts";

const SENDER = join(import.meta.dirname, "../src/trajectory/client/outbox-sender.fixture.ts");
/** By the environment with the outbox, and by one that sends in any order and repeats itself. */
const BOXED = 16;
const LOOSE = 16;
const GROUPS = BOXED + LOOSE;
const REPLICAS = 3;
const LEASE_MS = 4_000;
const TRAINER_DIES = 0.1;
/** Longer than any round takes on a machine that is busy with other things. */
const ROUND_MS = 300_000;

export interface FaultReport {
  rounds: number;
  kills: number;
  envKills: number;
  fullDisks: number;
  cuts: number;
  slow: number;
  trainerDeaths: number;
  lost: number;
  /** Delivered again although no trainer died with them. */
  doubled: number;
  /** Leases that passed on before their time: a clock that jumped moved them. */
  early: number;
}

/** Runs so many rounds; each is one store, fed and emptied while things go wrong. `database`: addresses of empty databases. */
export async function injectFaults(
  rounds: number,
  seed: number,
  database?: (name: string) => string,
): Promise<FaultReport> {
  const counts = { kills: 0, envKills: 0, fullDisks: 0, cuts: 0, slow: 0, trainerDeaths: 0, lost: 0, doubled: 0 };
  const report: FaultReport = { rounds: 0, ...counts, early: 0 };
  for (let round = 0; round < rounds; round++) {
    const before = report.lost + report.doubled + report.early;
    await oneRound(random(seed + round), report, database?.(`faults${round}`));
    report.rounds++;
    if (report.lost + report.doubled + report.early > before)
      process.stderr.write(`seed ${seed + round}: ${JSON.stringify(report)}\n`);
  }
  return report;
}

async function oneRound(chance: () => number, report: FaultReport, database: string | undefined): Promise<void> {
  const disk = smallDisk();
  const outbox = mkdtempSync(join(tmpdir(), "faults-outbox-"));
  const deadline = Date.now() + ROUND_MS;
  const servers = await startServers(database ? REPLICAS : 1, database ?? `sqlite:${join(disk.folder, "api.db")}`);
  const network = await badNetwork(servers.ports, chance);
  const url = `http://127.0.0.1:${network.port}/v2/runs/r`;
  let over = false;
  const env = new Environment(outbox, url);
  const call = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    until(deadline, async () => {
      try {
        const answer = await fetch(url + path, {
          method: "POST",
          body: JSON.stringify(body),
          headers: { "content-type": "application/json", connection: "close", ...headers },
        });
        if (answer.status >= 500) return null;
        return { status: answer.status, text: await answer.text() };
      } catch {
        // The server is down or the connection was cut: the caller tries again.
        return null;
      }
    });

  const trouble = (async () => {
    await call("", REGISTRATION);
    env.start();
    for (let round = 0; round < 4 && !over; round++) {
      await sleep(100 + chance() * 900);
      if (over) return;
      const kind = chance();
      if (kind < 0.5) {
        servers.kill(Math.floor(chance() * servers.ports.length));
        report.kills++;
      } else if (kind < 0.8) report.envKills += env.kill() ? 1 : 0;
      else if (!database && disk.isSmall) {
        disk.fill();
        report.fullDisks++;
        await sleep(chance() * 400);
        disk.empty();
      }
    }
  })();

  const feeding = (async () => {
    const order = Array.from({ length: LOOSE }, (_, index) => BOXED + index).sort(() => chance() - 0.5);
    const submit = (mark: number) =>
      call("/groups", { tokens: [[1, 2]], masks: [[-100, 2]], scores: [mark] }, { "idempotency-key": `g${mark}` });
    await until(deadline, async () => ((await call("", REGISTRATION)).status === 200 ? true : null));
    for (const [place, mark] of order.entries()) {
      await submit(mark);
      if (chance() < 0.3) await submit(order[Math.floor(chance() * (place + 1))]!);
      await sleep(chance() * 80);
    }
  })();

  try {
    const delivered = new Map<number, number>();
    /** In batches with which a trainer died: they may come again. */
    const excused = new Set<number>();
    while (delivered.size < GROUPS && Date.now() < deadline) {
      // Before it was asked for: no lease began earlier.
      const at = performance.now();
      const leased = await call("/batches/lease", { trainer: "t", max_wait_ms: 300, lease_ms: LEASE_MS });
      if (leased.status !== 200) continue;
      const { batch_id, groups } = JSON.parse(leased.text) as { batch_id: string; groups: { scores: number[] }[] };
      const marks = groups.map((group) => group.scores[0]!);
      if (chance() < TRAINER_DIES) {
        report.trainerDeaths++;
        for (const mark of marks) excused.add(mark);
        // A supervisor that knows it is dead; one that does not waits for the lease to run out.
        await call(`/batches/${batch_id}/nack`, {});
        continue;
      }
      const { status } = await call(`/batches/${batch_id}/ack`, {});
      if (status !== 200) {
        // Passed on or forgotten: it was not this trainer's any more, so nothing of it is trained on.
        if (performance.now() - at < LEASE_MS) report.early++;
        continue;
      }
      for (const mark of marks) delivered.set(mark, (delivered.get(mark) ?? 0) + 1);
    }
    await feeding;
    report.lost += GROUPS - delivered.size;
    report.doubled += [...delivered].filter(([mark, times]) => times > 1 && !excused.has(mark)).length;
    const left = await call("/batches/lease", { trainer: "t", max_wait_ms: 100 });
    if (left.status === 200) {
      const { groups } = JSON.parse(left.text) as { groups: { scores: number[] }[] };
      report.doubled += groups.filter((group) => delivered.has(group.scores[0]!)).length;
    }
  } finally {
    over = true;
    await trouble;
    await env.stop();
    network.close();
    await servers.stop();
    report.cuts += network.cuts();
    report.slow += network.slow();
    disk.remove();
    rmSync(outbox, { recursive: true, force: true });
  }
}

const REGISTRATION = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 64,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 100,
};

/** An environment with an outbox, which is killed and started again until everything was sent. */
class Environment {
  readonly #folder: string;
  readonly #url: string;
  #child: ChildProcess | null = null;
  #over = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(folder: string, url: string) {
    this.#folder = folder;
    this.#url = url;
  }

  start(): void {
    const child = spawn(process.execPath, [SENDER, this.#folder, this.#url, String(BOXED)], { stdio: "ignore" });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code) => {
        this.#child = null;
        resolve();
        const isDone = code === 0 && readdirSync(join(this.#folder, "pending")).length === 0;
        if (!this.#over && !isDone) this.start();
      });
    });
  }

  /** False where it is not running. */
  kill(): boolean {
    return this.#child?.kill("SIGKILL") ?? false;
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.kill();
    await this.#ended;
  }
}

/** Again and again until it gives something; a client that never gives up. */
async function until<T>(deadline: number, attempt: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (result !== null) return result;
    if (Date.now() > deadline) throw new Error("The server did not come back in time.");
    await sleep(25);
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** mulberry32: small, and the same everywhere. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

if (import.meta.main) {
  const [rounds = "50", seed = "1", kind] = process.argv.slice(2);
  const postgres = kind === "postgres" ? startPostgres() : null;
  if (kind === "postgres" && !postgres) throw new Error("initdb and pg_ctl are missing (apt: postgresql).");
  try {
    const report = await injectFaults(Number(rounds), Number(seed), postgres?.database);
    console.log(JSON.stringify(report));
    process.exitCode = report.lost + report.doubled + report.early > 0 ? 1 : 0;
  } finally {
    postgres?.stop();
  }
}
