import { mkdtempSync, rmSync } from "node:fs";
import { request as rawRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { API_DEFAULTS, type RunningApi, startApi } from "../src/trajectory/index.ts";

let api: RunningApi;
beforeEach(async () => {
  api = await startApi({ port: 0, store: "memory:", maxBodyBytes: 1_000_000 });
});
afterEach(() => api.close());

const REGISTRATION = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 64,
  checkpoint_dir: "/c",
  save_checkpoint_interval: 5,
  starting_step: 7,
  num_steps: 100,
};
const ENV = { max_token_length: 64, desired_name: "e", weight: 1, group_size: 2 };
const group = (size: number, mark = 0, more: object = {}) => ({
  tokens: Array.from({ length: size }, () => [mark, 2]),
  masks: Array.from({ length: size }, () => [-100, 2]),
  scores: Array.from({ length: size }, (_, index) => index),
  ...more,
});

async function call(path: string, body?: unknown, init: RequestInit = {}) {
  const answer = await fetch(api.url + path, {
    method: body === undefined ? "GET" : "POST",
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      headers: { "content-type": "application/json" },
    }),
    ...init,
  });
  const text = await answer.text();
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  let json: any = null;
  try {
    json = JSON.parse(text);
  } catch {
    // plain text
  }
  return { status: answer.status, text, json, headers: answer.headers };
}

/** A GET with a JSON body, as Python clients send it. */
function getWithBody(path: string, body: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
  const { port } = new URL(api.url);
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const asked = rawRequest({ host: "127.0.0.1", port, path, method: "GET", headers }, async (answer) => {
      let all = "";
      for await (const chunk of answer) all += chunk;
      resolve({ status: answer.statusCode!, json: JSON.parse(all) });
    });
    asked.on("error", reject);
    asked.end(text);
  });
}

const register = () => call("/register", REGISTRATION);
async function started(): Promise<number> {
  await register();
  await call("/batch");
  return (await call("/register-env", ENV)).json.env_id;
}

describe("protocol v1", () => {
  it("goes from registration to batches as trainers and environments know it", async () => {
    expect((await call("/")).json).toEqual({ message: "AtroposLib API" });
    expect((await call("/info")).json).toEqual({ batch_size: -1, max_token_len: -1 });
    expect((await call("/wandb_info")).json).toEqual({ group: null, project: null });
    expect((await call("/status")).json).toEqual({ current_step: 0, queue_size: 0 });
    expect((await call("/batch")).json).toEqual({
      status: "error",
      message: "Trainer not registered. Call /register first.",
      batch: [],
    });
    expect((await call("/register-env", ENV)).json).toEqual({ status: "wait for trainer to start" });
    expect((await register()).text).toMatch(/^\{"uuid":\d{20,39}\}$/);
    expect((await call("/register-env", ENV)).json).toEqual({ status: "wait for trainer to start" });
    expect((await call("/batch")).json).toEqual({ batch: null });
    expect((await call("/register-env", ENV)).json).toEqual({
      status: "success",
      env_id: 0,
      wandb_name: "e_0",
      checkpoint_dir: "/c",
      starting_step: 7,
      checkpoint_interval: 5,
      num_steps: 100,
    });
    const knowing = (await call("/register-env", { ...ENV, token: null })).json;
    expect(knowing).toMatchObject({ env_id: 1, wandb_name: "e_1", token: expect.any(String) });
    expect((await call("/register-env", { ...ENV, token: knowing.token })).json.env_id).toBe(1);
    for (const mark of [1, 2, 3])
      expect((await call("/scored_data", group(2, mark, { env_id: 0 }))).json).toEqual({ status: "received" });
    const { json, text } = await call("/batch");
    expect(json.batch.map((one: { tokens: number[][] }) => one.tokens[0]![0])).toEqual([1, 2]);
    expect(json.batch[0]).toMatchObject({ advantages: null, overrides: null, env_id: 0, distill_logprobs: null });
    expect(text).toContain('"scores":[0.0,1.0]');
    expect((await call("/status")).json).toEqual({ current_step: 8, queue_size: 1 });
    expect((await call("/latest_example")).json.tokens[0][0]).toBe(3);
    expect((await call("/disconnect-env", { env_id: 1 })).json).toEqual({ status: "success" });
    expect((await call("/disconnect-env", { env_id: 9 })).json.status).toBe("failure");
    expect((await call("/reset_data")).text).toBe("Reset successful");
    expect((await call("/info")).json).toEqual({ batch_size: -1, max_token_len: 64 });
    expect((await call("/batch")).status).toBe(200);
  });

  it("answers /status-env to a body on a GET and to a query, floats as floats, also without connected environments", async () => {
    const env = await started();
    expect((await getWithBody("/status-env", { env_id: env })).json).toEqual({
      current_step: 7,
      queue_size: 0,
      unallocated_fraction: 1,
      self_queue_size: 0,
      max_group_size: 1,
      env_weight: 1,
    });
    await call("/disconnect-env", { env_id: env });
    const { text } = await call("/status-env?env_id=0");
    expect(text).toContain('"unallocated_fraction":1.0');
    expect((await call("/status-env?env_id=5")).status).toBe(404);
    expect((await call("/status-env?env_id=-1")).status).toBe(422);
    expect((await call("/status-env")).status).toBe(422);
  });

  it("counts what others have queued in packs: not where every group is one sequence", async () => {
    const own = await started();
    const { env_id: other } = (await call("/register-env", ENV)).json;
    const queueOf = async (env: number) => (await getWithBody("/status-env", { env_id: env })).json.queue_size;
    for (const mark of [1, 2, 3]) await call("/scored_data", group(1, mark));
    expect([await queueOf(own), await queueOf(other)]).toEqual([0, 0]);
    await call("/scored_data", group(2, 4, { env_id: other }));
    // Now the three make two packs of two.
    expect([await queueOf(own), await queueOf(other)]).toEqual([3, 3]);
  });

  it("buffers groups of another size until some complete the env's size", async () => {
    const env = await started();
    await call("/register-env", { ...ENV, group_size: 4 });
    const odd = (size: number, mark: number) => group(size, mark, { env_id: env + 1 });
    expect((await call("/scored_data", odd(3, 1))).json).toEqual({ status: "buffered", buffer_size: 3 });
    expect((await call("/status")).json.queue_size).toBe(0);
    expect((await call("/scored_data_list", [odd(3, 2), odd(4, 3)])).json).toEqual({
      status: "received",
      groups_processed: 2,
      buffered: 1,
      last_buffer_size: 6,
    });
    expect((await call("/scored_data", odd(1, 4))).json).toEqual({ status: "buffered", buffer_size: 3 });
    expect((await call("/status")).json.queue_size).toBe(3);
    expect((await call("/scored_data_list", [])).json).toEqual({ status: "received", groups_processed: 0 });
  });

  it("keeps what came before the trainer, and sets aside what no batch can hold", async () => {
    await call("/scored_data", group(5));
    await call("/scored_data", group(4, 1));
    await register();
    await call("/scored_data", group(6));
    expect((await call("/batch")).json.batch[0].tokens[0][0]).toBe(1);
    expect((await call("/v2/runs/default")).json.filtered).toEqual({ larger_than_batch: 2 });
    const aside = (await call("/v2/runs/default/aside")).json.groups;
    expect(aside.map((one: { sequences: number }) => one.sequences)).toEqual([5, 6]);
  });

  it("undoes gzip in any case and in several members, and compresses long answers", async () => {
    await register();
    const text = JSON.stringify(group(4, 1));
    const packed = Buffer.concat([gzipSync(text.slice(0, 20)), gzipSync(text.slice(20))]);
    const headers = { "content-type": "application/json", "content-encoding": "GZip" };
    expect((await call("/scored_data", packed, { headers })).status).toBe(200);
    const cut = await call("/scored_data", packed.subarray(0, 60), { headers });
    expect([cut.status, cut.text]).toEqual([400, "Invalid gzip payload"]);
    expect((await call("/scored_data", "nonsense", { headers })).text).toBe("Invalid gzip payload");
    expect((await call("/scored_data", "", { headers, method: "POST" })).status).toBe(422);
    await call("/scored_data", group(4, 1, { messages: Array(4).fill([{ role: "user", content: "x".repeat(500) }]) }));
    await call("/batch");
    const long = await call("/batch", undefined, { headers: { "accept-encoding": "gzip" } });
    expect(long.headers.get("content-encoding")).toBe("gzip");
    expect(long.json.batch[0].messages[0][0].content).toHaveLength(500);
    expect((await call("/info")).headers.get("content-encoding")).toBeNull();
    const plain = await call("/openapi.json", undefined, { headers: { "accept-encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
  });

  it.each(["text/plain", "foo", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "refuses a body that says it is %s",
    async (type) => {
      const answer = await fetch(`${api.url}/scored_data`, {
        method: "POST",
        body: Buffer.from(JSON.stringify(group(1))),
        headers: { "content-type": type },
      });
      expect([answer.status, await answer.json()]).toEqual([
        422,
        { detail: [expect.objectContaining({ msg: expect.any(String) })] },
      ]);
    },
  );

  it.each([
    ['{"tokens": x}', 11],
    ['{"tokens": [', 12],
    ["[1,2,,3]", 5],
    ['{"scores":[1],"tokens"}', 22],
  ])("says where %s is no JSON", async (body, place) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${api.url}/scored_data`, { method: "POST", body, headers });
    expect(((await answer.json()) as { detail: object[] }).detail[0]).toMatchObject({
      type: "json_invalid",
      loc: ["body", place],
    });
  });

  it("refuses bad input with a place and stores nothing of it", async () => {
    await register();
    const bad: [unknown, number, RegExp][] = [
      ["{", 422, /json_invalid/],
      ["NaN", 422, /json_invalid/],
      [JSON.stringify(group(1)).replace('"scores":[0]', '"scores":[NaN]'), 422, /json_invalid/],
      [JSON.stringify(group(1)).replace('"scores":[0]', '"scores":[1e999]'), 422, /finite_number/],
      [group(1, 2 ** 31), 422, /less_than_equal/],
      [{ ...group(2), scores: [1] }, 422, /value_error/],
      [{ ...group(1), masks: [[1]] }, 422, /value_error/],
      [{ ...group(1), env_id: -1 }, 422, /greater_than_equal/],
      [[group(1)], 422, /model_attributes_type/],
      [Buffer.from([0x22, 0xff, 0x22]), 422, /UTF-8/],
      [gzipSync(Buffer.alloc(5_000_000, 32)), 413, /larger than/],
    ];
    for (const [body, status, text] of bad) {
      const gzip = body instanceof Uint8Array && body[0] === 0x1f;
      const headers = { "content-type": "application/json", ...(gzip && { "content-encoding": "gzip" }) };
      const answer = await call("/scored_data", body, { headers });
      expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
    }
    expect((await call("/scored_data_list", [group(1), { ...group(1), scores: [] }])).json.detail[0].loc).toEqual([
      "body",
      1,
      "scores",
    ]);
    const typed = await call("/scored_data", group(1), { headers: { "content-type": "text/plain" } });
    expect(typed.json.detail[0]).toMatchObject({ type: "model_attributes_type", loc: ["body"] });
    for (const wrong of [{ batch_size: 0 }, { batch_size: "x" }, { wandb_group: 1 }, { num_steps: null }])
      expect((await call("/register", { ...REGISTRATION, ...wrong })).status).toBe(422);
    expect((await call("/register", { ...REGISTRATION, batch_size: "32", num_steps: 1e18 })).status).toBe(200);
    expect((await call("/nowhere")).json).toEqual({ detail: "Not Found" });
    expect((await call("/register")).json).toEqual({ detail: "Method Not Allowed" });
    expect((await call("/v2/runs/x/groups")).status).toBe(405);
    expect((await call("/batch", undefined, { method: "HEAD" })).status).toBe(405);
    expect((await call("/status")).json.queue_size).toBe(0);
  });

  it("refuses a body of a gigabyte before it has arrived", async () => {
    const { port } = new URL(api.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    const head =
      "POST /scored_data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n[";
    socket.write(head);
    const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data))));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
    expect((await call("/status")).status).toBe(200);
  });

  it("gives a batch back that could not be delivered", async () => {
    await register();
    const content = "x".repeat(200_000);
    const big = () => group(1, 1, { messages: [[{ role: "user", content }]] });
    for (let index = 0; index < 4; index++) await call("/scored_data_list", [big(), big()]);
    const { port } = new URL(api.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET /batch HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.destroySoon();
    await new Promise((resolve) => socket.once("close", resolve));
    const taken: unknown[] = [];
    for (let tries = 0; tries < 50 && taken.length < 2; tries++) {
      const { batch } = (await call("/batch")).json;
      if (batch) taken.push(...batch.slice(0, 1));
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Either the whole answer stood in the socket's buffers, or the batch came back: never is it half gone.
    expect(taken.length).toBeGreaterThan(0);
    expect((await call("/v2/runs/default")).json.counts.leased_batches).toBe(0);
  });

  it("does not take a batch for delivered whose connection was reset half-way", async () => {
    await api.close();
    api = await startApi({ port: 0, store: "memory:" });
    await register();
    // More than the buffers of a connection hold.
    const content = "x".repeat(30_000_000);
    expect((await call("/scored_data", group(4, 1, { images: content }))).status).toBe(200);
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET /batch HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resetAndDestroy();
    let batch: unknown = null;
    for (let tries = 0; tries < 100 && batch === null; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      ({ batch } = (await call("/batch")).json);
    }
    expect(batch).toHaveLength(1);
  });

  it("does not take a batch for delivered whose answer was an error", async () => {
    await api.close();
    const folder = mkdtempSync(join(tmpdir(), "trajectory-v1-"));
    const file = join(folder, "api.db");
    api = await startApi({ port: 0, store: `sqlite:${file}` });
    await register();
    await call("/scored_data", group(4, 1));
    const database = new Database(file);
    const write = database.prepare("UPDATE rows SET data = ? WHERE tbl = 'group'");
    const whole = database.prepare("SELECT data FROM rows WHERE tbl = 'group'").pluck().get();
    // Begins as an Arrow stream does, and is none.
    write.run(Buffer.from("ffffffff00", "hex"));
    expect((await call("/batch")).status).toBe(500);
    write.run(whole);
    let batch: unknown = null;
    for (let tries = 0; tries < 100 && batch === null; tries++) ({ batch } = (await call("/batch")).json);
    expect(batch).toHaveLength(1);
    database.close();
    rmSync(folder, { recursive: true });
  });

  it("ends soon in spite of idle connections and long polls", async () => {
    await register();
    const { port } = new URL(api.url);
    const idle = connect(Number(port), "127.0.0.1");
    idle.on("error", () => {});
    await new Promise((resolve) => idle.once("connect", resolve));
    const poll = call("/v2/runs/default/batches/lease", { trainer: "t", max_wait_ms: 60_000 });
    while (!(await call("/v2/runs/default")).json.started);
    const before = performance.now();
    await api.close();
    expect(performance.now() - before).toBeLessThan(5_000);
    expect((await poll).status).toBe(204);
    idle.destroy();
    api = await startApi({ port: 0, store: "memory:" });
  });

  it("acknowledges the previous batch where that was asked for", async () => {
    const other = await startApi({ port: 0, store: "memory:", ackPrevious: true, host: API_DEFAULTS.host });
    const post = (path: string, body: unknown) =>
      fetch(other.url + path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
    // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
    const get = async (path: string): Promise<any> => (await fetch(other.url + path)).json();
    await post("/register", REGISTRATION);
    await post("/scored_data_list", [group(4, 1), group(4, 2)]);
    await get("/batch");
    expect((await get("/v2/runs/default")).counts).toMatchObject({ leased_batches: 1, delivered_groups: 0 });
    expect((await get("/batch")).batch[0].tokens[0][0]).toBe(2);
    expect((await get("/v2/runs/default")).counts).toMatchObject({ leased_batches: 1, delivered_groups: 1 });
    await other.close();
  });
});
