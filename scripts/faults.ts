/**
 * Fault injection for the trajectory API: a server that is killed at random moments with its SQLite file, a trainer that
 * dies between lease and acknowledgement, connections that are cut, submits that are repeated and reordered. At the end
 * every group must have been delivered; more than once only where the trainer died.
 *
 *     node scripts/faults.ts [rounds] [seed]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SERVER = join(import.meta.dirname, "../src/cli/main.fixture.ts");
const GROUPS = 24;
/** Longer than any round takes on a machine that is busy with other things. */
const ROUND_MS = 300_000;

export interface FaultReport {
  rounds: number;
  kills: number;
  cuts: number;
  trainerDeaths: number;
  lost: number;
  /** Delivered again although no trainer died with them. */
  doubled: number;
}

/** Runs so many rounds; each is one server file, fed and emptied while things go wrong. */
export async function injectFaults(rounds: number, seed: number): Promise<FaultReport> {
  const report: FaultReport = { rounds, kills: 0, cuts: 0, trainerDeaths: 0, lost: 0, doubled: 0 };
  for (let round = 0; round < rounds; round++) {
    const before = report.lost + report.doubled;
    await oneRound(random(seed + round), report);
    if (report.lost + report.doubled > before)
      process.stderr.write(`seed ${seed + round}: ${JSON.stringify(report)}\n`);
  }
  return report;
}

async function oneRound(chance: () => number, report: FaultReport): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/v2/runs/r`;
  const deadline = Date.now() + ROUND_MS;
  let server = start(port, join(folder, "api.db"));
  let over = false;
  const killing = (async () => {
    for (let kills = 0; kills < 2 && !over; kills++) {
      await sleep(300 + chance() * 700);
      if (over) break;
      server.kill("SIGKILL");
      report.kills++;
      await ended(server);
      server = start(port, join(folder, "api.db"));
    }
  })();
  try {
    const registration = {
      wandb_group: "g",
      wandb_project: "p",
      batch_size: 4,
      max_token_len: 64,
      checkpoint_dir: "",
      save_checkpoint_interval: 0,
      starting_step: 0,
      num_steps: 100,
    };
    const call = (path: string, body: unknown, headers: Record<string, string> = {}) =>
      until(deadline, async () => {
        const cut = new AbortController();
        // Some connections are cut before the answer is there.
        const timer = chance() < 0.15 ? setTimeout(() => cut.abort(), chance() * 20) : null;
        try {
          const answer = await fetch(url + path, {
            method: "POST",
            signal: cut.signal,
            body: JSON.stringify(body),
            headers: { "content-type": "application/json", ...headers },
          });
          if (answer.status >= 500) return null;
          return { status: answer.status, text: await answer.text() };
        } catch {
          if (cut.signal.aborted) report.cuts++;
          return null;
        } finally {
          if (timer) clearTimeout(timer);
        }
      });
    await call("", registration);
    const feeding = (async () => {
      const order = Array.from({ length: GROUPS }, (_, mark) => mark).sort(() => chance() - 0.5);
      const submit = (mark: number) =>
        call("/groups", { tokens: [[mark, 1]], masks: [[-100, 1]], scores: [mark] }, { "idempotency-key": `g${mark}` });
      for (const mark of order) {
        await submit(mark);
        if (chance() < 0.3) await submit(order[Math.floor(chance() * (order.indexOf(mark) + 1))]!);
        await sleep(chance() * 60);
      }
    })();
    const delivered = new Map<number, number>();
    /** In batches with which a trainer died: they may come again. */
    const excused = new Set<number>();
    while (delivered.size < GROUPS && Date.now() < deadline) {
      const leased = await call("/batches/lease", { trainer: "t", max_wait_ms: 300, lease_ms: 1_500 });
      if (leased.status !== 200) continue;
      const { batch_id, groups } = JSON.parse(leased.text) as { batch_id: string; groups: { tokens: number[][] }[] };
      const marks = groups.map((group) => group.tokens[0]![0]!);
      if (chance() < 0.15) {
        report.trainerDeaths++;
        for (const mark of marks) excused.add(mark);
        continue;
      }
      const { status } = await call(`/batches/${batch_id}/ack`, {});
      // Passed on or forgotten: it was not this trainer's any more, so nothing of it is trained on.
      if (status !== 200) continue;
      for (const mark of marks) delivered.set(mark, (delivered.get(mark) ?? 0) + 1);
    }
    await feeding;
    report.lost += GROUPS - delivered.size;
    report.doubled += [...delivered].filter(([mark, times]) => times > 1 && !excused.has(mark)).length;
    const left = await call("/batches/lease", { trainer: "t", max_wait_ms: 100 });
    if (left.status === 200) {
      const { groups } = JSON.parse(left.text) as { groups: { tokens: number[][] }[] };
      report.doubled += groups.filter((group) => delivered.has(group.tokens[0]![0]!)).length;
    }
  } finally {
    over = true;
    await killing;
    server.kill("SIGKILL");
    await ended(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(port: number, file: string): ChildProcess {
  return spawn(process.execPath, [SERVER, "api", "--port", String(port), "--store", `sqlite:${file}`], {
    stdio: "ignore",
  });
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

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
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
  const report = await injectFaults(Number(process.argv[2] ?? 50), Number(process.argv[3] ?? 1));
  console.log(JSON.stringify(report));
  process.exitCode = report.lost + report.doubled > 0 ? 1 : 0;
}
