import { afterEach, expect, it } from "vitest";
import { type RunningApi, startApi } from "../server/start.ts";
import { takeBatches } from "./batch-client.ts";

const open: RunningApi[] = [];
afterEach(() => Promise.all(open.splice(0).map((api) => api.close())));

const registration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 1,
  max_token_len: 9,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 9,
};

async function api(port = 0): Promise<RunningApi> {
  const started = await startApi({ port, store: "memory:" });
  open.push(started);
  return started;
}

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const submit = (url: string, score: number) =>
  post(`${url}/v2/runs/default/groups`, { tokens: [[1, 2]], masks: [[-100, 2]], scores: [score] });
const leased = async (url: string) => {
  const run = (await (await fetch(`${url}/v2/runs/default`)).json()) as { counts: { leased_batches: number } };
  return run.counts.leased_batches;
};

it("acknowledges what an earlier process could not, and nothing of a store that has forgotten everything", async () => {
  const first = await api();
  const options = { url: first.url, registration, trainer: "t", leaseMs: 600_000 };
  const before = takeBatches(options, new AbortController().signal);
  const coming = before.next();
  while (!(await fetch(`${first.url}/v2/runs/default`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
  await submit(first.url, 1);
  const batch = (await coming).value!;
  expect(await leased(first.url)).toBe(1);

  const stop = new AbortController();
  const unsettled = batch.lease;
  for await (const _ of takeBatches({ ...options, unsettled, wanted: () => false }, stop.signal));
  expect(await leased(first.url)).toBe(0);

  const { port } = new URL(first.url);
  await first.close();
  const second = await api(Number(port));
  await post(`${second.url}/v2/runs/default`, registration);
  await submit(second.url, 2);
  const other = await post(`${second.url}/v2/runs/default/batches/lease`, { trainer: "other" });
  // The new store counts from the beginning again: the other trainer's batch has the name that ours had.
  const { batch_id } = (await other.json()) as { batch_id: string };
  expect(batch.lease!.split(" ")[0]).toBe(batch_id);
  for await (const _ of takeBatches({ ...options, unsettled, wanted: () => false }, stop.signal));
  expect(await batch.ack()).toBe(false);
  expect(await leased(second.url)).toBe(1);
  await before.return(undefined);
});
