/**
 * Fault injection for the trajectory API, all at once and at random moments: servers and the environment with its outbox
 * are killed, servers halt, their clocks jump, the disk fills up, the database crashes, connections are slow and are cut,
 * submits are repeated and reordered, trainers die between lease and acknowledgement. At the end every group must have
 * been acknowledged by a trainer, as it was sent and once, and nothing may be left.
 *
 *     node scripts/faults.ts [rounds] [seed] [postgres]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type PostgresServer, startPostgres } from "../src/trajectory/stores/postgres-server.fixture.ts";
import { badNetwork } from "./faults/bad-network.ts";
import { boxedGroup, isSame, markedGroup, type SentGroup } from "./faults/group-content.ts";
import { OutboxEnvironment } from "./faults/outbox-environment.ts";
import { startServers } from "./faults/servers.ts";
import { smallDisk } from "./faults/small-disk.ts";

/** By the environment with the outbox, and by one that sends in any order and repeats itself. */
const BOXED = 16;
const LOOSE = 16;
const GROUPS = BOXED + LOOSE;
const BATCH = 4;
const REPLICAS = 3;
const LEASE_MS = 4_000;
const TRAINER_DIES = 0.1;
const TROUBLES = 5;
/** A small disk is full before a journal is moved; on a roomy one the journal has its place from the start. */
const DISK_MB = [6, 300];
/** Longer than any round takes on a machine that is busy with other things. */
const ROUND_MS = 600_000;

export interface FaultReport {
  rounds: number;
  kills: number;
  envKills: number;
  halts: number;
  fullDisks: number;
  /** Of the database. */
  crashes: number;
  cuts: number;
  slow: number;
  trainerDeaths: number;
  lost: number;
  /** Delivered again, or left to be, although a trainer acknowledged them. */
  doubled: number;
  /** Delivered with other content than they were sent with. */
  altered: number;
  /** How far the server's own count of delivered groups is from the truth. */
  miscounted: number;
  /** Leases that passed on before their time: a clock that jumped moved them. */
  early: number;
  /** Servers that ended by themselves, whatever was done to their disk or their database. */
  fallen: number;
}

/** What must not happen, together. */
export function failures({ lost, doubled, altered, miscounted, early, fallen }: FaultReport): number {
  return lost + doubled + altered + miscounted + early + fallen;
}

/** Runs so many rounds; each is one store, fed and emptied while things go wrong. Without `postgres`: on SQLite. */
export async function injectFaults(rounds: number, seed: number, postgres?: PostgresServer): Promise<FaultReport> {
  const troubles = { kills: 0, envKills: 0, halts: 0, fullDisks: 0, crashes: 0, cuts: 0, slow: 0, trainerDeaths: 0 };
  const harm = { lost: 0, doubled: 0, altered: 0, miscounted: 0, early: 0, fallen: 0 };
  const report: FaultReport = { rounds: 0, ...troubles, ...harm };
  for (let round = 0; round < rounds; round++) {
    const before = failures(report);
    await oneRound(random(seed + round), report, postgres);
    report.rounds++;
    if (failures(report) > before) process.stderr.write(`seed ${seed + round}: ${JSON.stringify(report)}\n`);
  }
  return report;
}

let databases = 0;

async function oneRound(
  chance: () => number,
  report: FaultReport,
  postgres: PostgresServer | undefined,
): Promise<void> {
  const disk = smallDisk(DISK_MB[Math.floor(chance() * DISK_MB.length)]!);
  const outbox = mkdtempSync(join(tmpdir(), "faults-outbox-"));
  const deadline = Date.now() + ROUND_MS;
  const store = postgres?.database(`faults${databases++}`) ?? `sqlite:${join(disk.folder, "api.db")}`;
  const servers = await startServers(postgres ? REPLICAS : 1, store);
  const network = await badNetwork(servers.ports, chance);
  const url = `http://127.0.0.1:${network.port}/v2/runs/r`;
  let over = false;
  const env = new OutboxEnvironment(outbox, url, BOXED);
  const call = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    until(deadline, async () => {
      try {
        const answer = await fetch(url + path, {
          ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
          headers: { "content-type": "application/json", connection: "close", ...headers },
        });
        if (answer.status >= 500) return null;
        return { status: answer.status, text: await answer.text() };
      } catch {
        // The server is down or the connection was cut: the caller tries again.
        return null;
      }
    });
  const any = () => Math.floor(chance() * servers.ports.length);

  const trouble = (async () => {
    await call("", REGISTRATION);
    env.start();
    for (let round = 0; round < TROUBLES && !over; round++) {
      await sleep(100 + chance() * 900);
      if (over) return;
      const kind = chance();
      if (kind < 0.4) report.kills += servers.kill(any()) ? 1 : 0;
      else if (kind < 0.65) report.envKills += env.kill() ? 1 : 0;
      else if (kind < 0.75) {
        report.halts++;
        await servers.halt(any(), chance() * 2_000);
      } else if (postgres) {
        report.crashes++;
        await postgres.restart();
      } else if (disk.isSmall) {
        report.fullDisks++;
        disk.fill();
        await sleep(chance() * 800);
        disk.empty();
      }
    }
  })();

  const delivered = new Map<number, number>();
  const submit = (mark: number) => call("/groups", markedGroup(mark), { "idempotency-key": `g${mark}` });
  const feeding = (async () => {
    const order = Array.from({ length: LOOSE }, (_, index) => BOXED + index).sort(() => chance() - 0.5);
    await until(deadline, async () => ((await call("", REGISTRATION)).status === 200 ? true : null));
    for (const mark of order) {
      // Never one that was answered and not yet delivered: it would stand in for one that was lost.
      const again = [...delivered.keys()].find((candidate) => candidate >= BOXED && chance() < 0.3);
      const repeated = chance() < 0.3 ? mark : again;
      await Promise.all([submit(mark), ...(repeated === undefined ? [] : [submit(repeated)])]);
      await sleep(chance() * 80);
    }
  })();

  try {
    while (delivered.size < GROUPS && Date.now() < deadline) {
      // Before it was asked for: no lease began earlier.
      const at = performance.now();
      const leased = await call("/batches/lease", { trainer: "t", max_wait_ms: 300, lease_ms: LEASE_MS });
      if (leased.status !== 200) continue;
      const { batch_id, groups } = JSON.parse(leased.text) as { batch_id: string; groups: SentGroup[] };
      if (chance() < TRAINER_DIES) {
        report.trainerDeaths++;
        // A supervisor that knows it is dead; one that does not waits for the lease to run out.
        if (chance() < 0.5) await call(`/batches/${batch_id}/nack`, {});
        continue;
      }
      const { status } = await call(`/batches/${batch_id}/ack`, {});
      if (status !== 200) {
        // Passed on or forgotten: it was not this trainer's any more, so nothing of it is trained on.
        if (performance.now() - at < LEASE_MS) report.early++;
        continue;
      }
      for (const group of groups) {
        const mark = group.scores[0]!;
        if (!isSame(group, mark < BOXED ? boxedGroup(mark) : markedGroup(mark))) report.altered++;
        delivered.set(mark, (delivered.get(mark) ?? 0) + 1);
      }
    }
    await feeding;
    report.lost += GROUPS - delivered.size;
    report.doubled += [...delivered.values()].filter((times) => times > 1).length;
    if (delivered.size < GROUPS) return;
    await trouble;
    await Promise.race([env.done, sleep(deadline - Date.now(), undefined, { ref: false })]);
    // What is on disk must say the same as what the servers said, and what was delivered stays known.
    servers.ports.forEach((_, place) => {
      servers.kill(place);
    });
    for (let mark = BOXED; mark < GROUPS; mark++) await submit(mark);
    const { counts } = JSON.parse((await call("")).text) as { counts: Record<string, number> };
    const left = counts.queued_groups! + counts.buffered_groups!;
    report.doubled += left + BATCH * (counts.formed_batches! + counts.leased_batches!);
    report.miscounted += Math.abs(counts.delivered_groups! - GROUPS);
  } finally {
    over = true;
    await trouble;
    await env.stop();
    network.close();
    await servers.stop();
    report.cuts += network.cuts();
    report.slow += network.slow();
    report.fallen += servers.fallen();
    disk.remove();
    rmSync(outbox, { recursive: true, force: true });
  }
}

const REGISTRATION = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: BATCH,
  max_token_len: 64,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 100,
};

/** Again and again until it gives something; a client that never gives up. */
async function until<T>(deadline: number, attempt: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (result !== null) return result;
    if (Date.now() > deadline) throw new Error("The server did not come back in time.");
    await sleep(25);
  }
}

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
    const report = await injectFaults(Number(rounds), Number(seed), postgres ?? undefined);
    console.log(JSON.stringify(report));
    process.exitCode = failures(report) > 0 ? 1 : 0;
  } finally {
    postgres?.stop();
  }
}
