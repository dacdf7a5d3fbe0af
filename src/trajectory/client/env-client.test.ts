import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { type RunningApi, startApi } from "../server/start.ts";
import { EnvClient } from "./env-client.ts";

let api: RunningApi;
afterEach(() => api.close());

const env = { max_token_length: 9, desired_name: "e", weight: 1, group_size: 1, min_batch_allocation: null };
const trainer = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 1,
  max_token_len: 9,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 9,
};
const group = { tokens: [[1, 2]], masks: [[-100, 2]], scores: [1] };

async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(api.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await answer.text();
  return text === "" ? {} : JSON.parse(text);
}

it("waits for a run that nobody has made yet, and keeps groups of one that is forgotten", async () => {
  api = await startApi({ port: 0, store: "memory:" });
  const client = new EnvClient({ url: `${api.url}/v2/runs/later` });
  expect(await client.register(env)).toBeNull();
  await expect(client.submit(client.bodyOf(group), "k")).rejects.toMatchObject({ code: "api_unavailable" });
  await post("/v2/runs/later", trainer);
  expect(await client.register(env)).toBeNull();
  await post("/v2/runs/later/batches/lease", { trainer: "t" });
  expect(await client.register(env)).toMatchObject({ env_id: 0 });
  await client.submit(client.bodyOf(group), "k");
  await fetch(`${api.url}/v2/runs/later`, { method: "DELETE" });
  await expect(client.status()).rejects.toMatchObject({ code: "not_found" });
  await expect(client.submit(client.bodyOf(group), "l")).rejects.toMatchObject({ code: "api_unavailable" });
  await expect(client.submit("{}", "m")).rejects.toMatchObject({ code: "api_unavailable" });
  await client.close();
  const other = new EnvClient({ url: `${api.url}/nothing` });
  await expect(other.register(env)).rejects.toMatchObject({ code: "api_rejected" });
  await other.close();
});

it("hears that the trainer is gone when it is silent and has no batch in hand", async () => {
  api = await startApi({ port: 0, store: "memory:", envSilence: 0.2 });
  const client = new EnvClient({ url: `${api.url}/v2/runs/default` });
  await post("/v2/runs/default", trainer);
  await post("/v2/runs/default/groups", group);
  const { batch_id } = await post("/v2/runs/default/batches/lease", { trainer: "t", lease_ms: 600_000 });
  await client.register(env);
  await sleep(400);
  expect(await client.changedStatus(null, 0)).toMatchObject({ trainer_gone: false });
  await post(`/v2/runs/default/batches/${batch_id}/ack`, {});
  expect(await client.changedStatus(null, 0)).toMatchObject({ trainer_gone: true });
  await client.close();
});
