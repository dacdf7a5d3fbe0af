/** Whatever dies (the environment, the API, the disk's state of either) every finished group reaches the trainer once. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "./support/run-environment.ts";
import {
  call,
  endAll,
  ended,
  type Group,
  itemOf,
  jsonLines,
  startApi,
  startEnvironment,
  startTrainer,
  takeBatches,
  until,
} from "./support/serving.ts";

afterEach(endAll);
// Every test starts several programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

/** Items of the groups that a run has finished. */
const finished = (runDir: string) =>
  jsonLines(join(runDir, "groups.jsonl")).map((group) => itemOf(group as unknown as Group));
const sorted = (numbers: number[]) => numbers.sort((a, b) => a - b);

test("an environment that is killed at random moments delivers each finished group exactly once", async () => {
  const folder = temporaryDirectory();
  const runDir = join(folder, "run");
  const api = await startApi(`sqlite:${join(folder, "api.db")}`);
  await startTrainer(api.url, 4);
  const settings = { items: 40, max_batches_offpolicy: 100, delay_ms: 40, max_num_workers: 4 };
  for (let kill = 0; kill < 2; kill++) {
    const env = startEnvironment(api.url, runDir, settings);
    const before = env.events().length;
    await until(() => env.events().length > before + 8, "work");
    await sleep(Math.random() * 250);
    await ended(env.child, "SIGKILL");
  }
  const last = startEnvironment(api.url, runDir, settings);
  const batches = await takeBatches(api.url, 40);
  expect(sorted(batches.flat().map(itemOf))).toEqual(Array.from({ length: 40 }, (_, item) => item));
  expect(sorted(finished(runDir))).toEqual(Array.from({ length: 40 }, (_, item) => item));
  // It came back as the environment that it was.
  expect(new Set(batches.flat().map(({ env_id }) => env_id))).toEqual(new Set([0]));
  expect(await last.exit).toBe(0);
  expect(await call(`${api.url}/batch`)).toEqual({ batch: null });
});

test("SIGTERM while the API is away: bounded, nothing is lost, and the same command sends what is left", async () => {
  const folder = temporaryDirectory();
  const runDir = join(folder, "run");
  const store = `sqlite:${join(folder, "api.db")}`;
  const api = await startApi(store);
  await startTrainer(api.url, 4);
  const settings = { items: 12, delay_ms: 300, max_num_workers: 6, max_batches_offpolicy: 100 };
  const env = startEnvironment(api.url, runDir, settings);
  await until(() => env.events().some(({ event }) => event === "begin"), "work");
  await ended(api.child, "SIGKILL");
  await until(() => finished(runDir).length >= 4, "groups that cannot be sent");
  await until(() => env.output().includes("does not answer"), "a word about the API");
  const asked = Date.now();
  expect(await ended(env.child, "SIGTERM")).toBe(130);
  expect(Date.now() - asked).toBeLessThan(20_000);
  expect(env.output()).toContain("they wait in the run directory's outbox");
  const kept = finished(runDir);
  expect(readdirSync(join(runDir, "outbox", "pending")).length).toBeGreaterThan(0);

  const port = Number(new URL(api.url).port);
  await startApi(store, port);
  const again = startEnvironment(api.url, runDir, settings);
  const batches = await takeBatches(api.url, 12);
  expect(sorted(batches.flat().map(itemOf))).toEqual(Array.from({ length: 12 }, (_, item) => item));
  expect(await again.exit).toBe(0);
  const begun = again
    .events()
    .filter(({ event, id }) => event === "begin" && kept.some((item) => id?.startsWith(`i${item}/`)));
  expect(begun).toHaveLength(kept.length * 4);
});

test("an API that comes back, with its store and with an empty one, gets every group that is left", async () => {
  const folder = temporaryDirectory();
  const runDir = join(folder, "run");
  const api = await startApi(`sqlite:${join(folder, "api.db")}`);
  const port = Number(new URL(api.url).port);
  await startTrainer(api.url, 4);
  const env = startEnvironment(api.url, runDir, {
    items: 30,
    delay_ms: 50,
    max_num_workers: 2,
    max_batches_offpolicy: 3,
  });
  const taken = (await takeBatches(api.url, 4)).flat();
  // A v1 batch is acknowledged once its answer has left; killed before, the server would hand it out again.
  const settled = async () =>
    (await call<{ counts: Record<string, number> }>(`${api.url}/v2/runs/default`)).counts.leased_batches === 0;
  await until(settled, "acknowledged batches");

  await ended(api.child, "SIGKILL");
  await sleep(1_000);
  const same = await startApi(`sqlite:${join(folder, "api.db")}`, port);
  taken.push(...(await takeBatches(api.url, 6)).flat());

  await until(async () => (await call<{ queue_size: number }>(`${api.url}/status`)).queue_size >= 2, "a queue");
  await ended(same.child, "SIGKILL");
  const lost = finished(runDir).length;
  await startApi("memory:", port);
  await until(() => env.output().split("Waiting for a trainer to start").length > 1, "a word about the trainer");
  await startTrainer(api.url, 4);
  // What the dead store had acknowledged is lost with it; everything later arrives.
  const later = 30 - lost;
  const rest = (await takeBatches(api.url, later)).flat();
  taken.push(...rest);
  const items = taken.map(itemOf);
  const twice = items.filter((item, place) => items.indexOf(item) !== place);
  expect(twice).toEqual([]);
  const missing = Array.from({ length: 30 }, (_, item) => item).filter((item) => !items.includes(item));
  expect(missing.length).toBeLessThanOrEqual(4);
  expect(await env.exit).toBe(0);
});

test("a stateful environment goes on from its checkpoint, under the names that its items had", async () => {
  const folder = temporaryDirectory();
  const runDir = join(folder, "run");
  const api = await startApi(`sqlite:${join(folder, "api.db")}`);
  await startTrainer(api.url, 4, { checkpoint_dir: join(folder, "checkpoints"), save_checkpoint_interval: 3 });
  const settings = { items: 1000, stateful: true, max_batches_offpolicy: 2, max_num_workers: 1 };
  const first = startEnvironment(api.url, runDir, settings);
  const taken = (await takeBatches(api.url, 7)).flat();
  const saved = join(folder, "checkpoints", "env_checkpoints", "made_0");
  await until(() => readdirSync(saved).includes("step-6.json"), "a checkpoint");
  expect(readdirSync(saved).sort()).toEqual(["step-3.json", "step-6.json"]);
  await ended(first.child, "SIGKILL");

  const second = startEnvironment(api.url, runDir, settings);
  taken.push(...(await takeBatches(api.url, 8)).flat());
  const restored = second.events().find(({ event }) => event === "restored");
  expect(restored?.next).toBeGreaterThanOrEqual(6);
  const items = taken.map(itemOf);
  expect(new Set(items).size).toBe(items.length);
  expect(await ended(second.child, "SIGTERM")).toBe(130);
});
