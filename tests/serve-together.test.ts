/** Several environments, replicas and runs at one API, and an API that speaks protocol v1 only. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "./support/run-environment.ts";
import {
  call,
  endAll,
  ended,
  type Group,
  itemOf,
  registration,
  startApi,
  startEnvironment,
  startTrainer,
  takeBatches,
  until,
} from "./support/serving.ts";

afterEach(endAll);
// Every test starts several programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const sequences = (groups: readonly Group[]) => groups.reduce((sum, group) => sum + group.scores.length, 0);

test("three environments of different sizes, one with a replica and one with a minimum, fill exact batches by their shares", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  await startTrainer(api.url, 32);
  const common = { max_batches_offpolicy: 3, delay_ms: 10, max_num_workers: 8 };
  const run = (name: string, env: Record<string, unknown>) =>
    startEnvironment(api.url, join(folder, name), { ...common, wandb_name: name.replace(/-.*/, ""), ...env });
  const all = [
    run("small", { group_size: 2, inference_weight: 1 }),
    run("large", { group_size: 8, min_batch_allocation: 0.5 }),
    run("middle-a", { group_size: 4, inference_weight: 1, first: 0 }),
    run("middle-b", { group_size: 4, inference_weight: 1, first: 100_000 }),
  ];
  const registered = async () => (await call<{ envs: unknown[] }>(`${api.url}/v2/runs/default`)).envs.length;
  await until(async () => (await registered()) === all.length, "all environments");
  await takeBatches(api.url, 3);
  const batches = await takeBatches(api.url, 10);
  for (const batch of batches) expect(sequences(batch)).toBe(32);
  // Protocol v1 fills a minimum with what is there: a batch may hold less of it, all together hold it.
  const large = batches.map((batch) => sequences(batch.filter(({ scores }) => scores.length === 8)));
  expect(Math.min(...large)).toBeGreaterThanOrEqual(8);
  expect(large.reduce((sum, part) => sum + part, 0) / 320).toBeGreaterThan(0.4);
  const share = (size: number) => sequences(batches.flat().filter(({ scores }) => scores.length === size)) / 320;
  expect(share(2)).toBeGreaterThan(0.02);
  expect(share(4)).toBeGreaterThan(share(2));
  const replicas = batches.flat().filter(({ scores }) => scores.length === 4);
  expect(new Set(replicas.map((group) => itemOf(group) >= 100_000))).toEqual(new Set([true, false]));
  expect(new Set(replicas.map(({ env_id }) => env_id)).size).toBe(2);
  const names = replicas.map((group) => `${group.env_id} ${itemOf(group)}`);
  expect(new Set(names).size).toBe(names.length);
});

test("replicas that make the same items do not take each other's groups for repetitions", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  await startTrainer(api.url, 4);
  const settings = { items: 5, max_batches_offpolicy: 50 };
  const replicas = ["a", "b"].map((name) => startEnvironment(api.url, join(folder, name), settings));
  const batches = await takeBatches(api.url, 10);
  const items = batches.flat().map(itemOf);
  expect(items.sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
  for (const replica of replicas) expect(await replica.exit).toBe(0);
  expect(replicas.map((replica) => replica.output()).join()).toContain("Give each replica a seed of its own");
});

test("two runs at one API do not touch each other", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  const runs = ["red", "blue"].map((name, index) => ({
    name,
    url: `${api.url}/v2/runs/${name}`,
    size: index === 0 ? 8 : 12,
    first: index * 50_000,
  }));
  const lease = (url: string) => async () => {
    const answer = await fetch(`${url}/batches/lease`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ trainer: "t", max_wait_ms: 200, lease_ms: 60_000 }),
    });
    if (answer.status === 204) return null;
    return (await answer.json()) as { batch_id: string; groups: Group[] };
  };
  // An environment may be there before its trainer has made the run.
  const environments = runs.map(({ name, url, first }) =>
    startEnvironment(url, join(folder, name), { first, max_batches_offpolicy: 2 }),
  );
  for (const [index, { url, size }] of runs.entries()) {
    const { output } = environments[index]!;
    await until(() => output().includes(`Waiting for a trainer to start at ${url}`), "a word about the trainer");
    await call(url, registration(size));
    await lease(url)();
  }
  for (const { url, size, first } of runs) {
    const groups: Group[] = [];
    const take = lease(url);
    await until(async () => {
      const batch = await take();
      if (batch === null) return false;
      expect(sequences(batch.groups)).toBe(size);
      groups.push(...batch.groups);
      await call(`${url}/batches/${batch.batch_id}/ack`, { trainer: "t" });
      return groups.length >= 12;
    }, "batches");
    expect(groups.filter((group) => itemOf(group) < first || itemOf(group) >= first + 50_000)).toEqual([]);
  }
});

/** A fake of the archived server: the calls of protocol v1 that an environment makes, in memory, and nothing else. */
async function fakeV1(batchSize: number) {
  const state = { envs: 0, known: new Set<number>(), groups: [] as Group[], started: false, step: 0, statusCalls: 0 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
      const send = (value: unknown, status = 200) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      switch (request.url) {
        case "/info":
          return send({ batch_size: batchSize, max_token_len: 512 });
        case "/register-env": {
          if (!state.started) return send({ status: "wait for trainer to start" });
          const env_id = state.envs++;
          state.known.add(env_id);
          const wandb_name = `${body.desired_name}_${env_id}`;
          const rest = { checkpoint_dir: "", starting_step: state.step, checkpoint_interval: 0, num_steps: 10 };
          return send({ status: "success", env_id, wandb_name, ...rest });
        }
        case "/status-env":
          state.statusCalls++;
          if (!state.known.has(body.env_id)) return send("Internal Server Error", 500);
          return send({
            current_step: state.step,
            queue_size: state.groups.length,
            unallocated_fraction: 1,
            self_queue_size: state.groups.length,
            max_group_size: 4,
            env_weight: 1,
          });
        case "/scored_data":
          state.groups.push(body);
          return send({ status: "received" });
        case "/disconnect-env":
          state.known.delete(body.env_id);
          return send({ status: "success" });
        default:
          return send({ detail: "Not Found" }, 404);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { state, url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

test("a server of protocol v1 only is asked again and again, and registered with anew when it has forgotten", async () => {
  const folder = temporaryDirectory();
  const v1 = await fakeV1(8);
  try {
    v1.state.started = true;
    const env = startEnvironment(v1.url, join(folder, "run"), { max_batches_offpolicy: 2, max_num_workers: 2 });
    await until(() => v1.state.groups.length === 4, "a full queue");
    const asked = v1.state.statusCalls;
    await until(() => v1.state.statusCalls >= asked + 3, "polls");
    expect(v1.state.groups).toHaveLength(4);
    v1.state.groups.splice(0);
    v1.state.step = 2;
    await until(() => v1.state.groups.length === 4, "a full queue again");

    v1.state.known.clear();
    await until(() => v1.state.envs === 2, "another registration");
    v1.state.groups.splice(0);
    await until(() => v1.state.groups.length === 4, "groups of the new registration");
    expect(new Set(v1.state.groups.map(({ env_id }) => env_id))).toEqual(new Set([1]));
    expect(await ended(env.child, "SIGTERM")).toBe(130);
    expect(v1.state.known.size).toBe(0);
  } finally {
    v1.close();
  }
});
