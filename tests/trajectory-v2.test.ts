import { connect, type Socket } from "node:net";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningApi, startApi } from "../src/trajectory/index.ts";
import { OPERATIONS } from "../src/trajectory/server/openapi-operations.ts";
import { ARROW_TYPE, decodeArrow, encodeArrow } from "../src/trajectory/wire/arrow.ts";
import { readArrowStream } from "../src/trajectory/wire/arrow-stream.ts";

let api: RunningApi;
const TOKENS = "env:env-token,trainer:trainer-token,admin:admin-token";

const REGISTRATION = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 2,
  max_token_len: 64,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 100,
};
const group = (mark: number, more: object = {}) => ({
  tokens: [[mark, 2]],
  masks: [[-100, 2]],
  scores: [mark],
  inference_logprobs: [[1, -0.5]],
  ...more,
});

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(api.url + path, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isJson = answer.headers.get("content-type")?.includes("json");
  return { status: answer.status, bytes, json: isJson ? JSON.parse(bytes.toString()) : null, headers: answer.headers };
}
const post = (path: string, body: unknown, headers?: Record<string, string>) => call("POST", path, body, headers);
const run = (name: string, more: object = {}) => post(`/v2/runs/${name}`, { ...REGISTRATION, ...more });
const lease = (name: string, more: object = {}) => post(`/v2/runs/${name}/batches/lease`, { trainer: "t", ...more });
const marks = (groups: { tokens: number[][] }[]) => groups.map((one) => one.tokens[0]![0]);

describe("protocol v2", () => {
  beforeEach(async () => {
    api = await startApi({ port: 0, store: "memory:", maxQueueGroups: 6, maxBodyBytes: 2_000_000 });
  });
  afterEach(() => api.close());

  it("keeps runs apart", async () => {
    await run("a");
    await run("b", { batch_size: 3 });
    await post("/v2/runs/a/groups", [group(1), group(2)]);
    await post("/v2/runs/b/groups", [group(3), group(4), group(5)]);
    expect(marks((await lease("a")).json.groups)).toEqual([1, 2]);
    expect(marks((await lease("b")).json.groups)).toEqual([3, 4, 5]);
    expect((await lease("c")).status).toBe(404);
    expect((await post("/v2/runs/c/groups", group(1))).status).toBe(404);
    expect((await run("no/name")).status).toBe(404);
    for (const name of ["no name", "x".repeat(129)]) expect((await run(name)).status).toBe(422);
    expect((await run("x".repeat(128))).status).toBe(200);
  });

  it("leases, acknowledges, takes back and expires", async () => {
    await run("a");
    await post("/v2/runs/a/groups", [group(1), group(2), group(3), group(4)]);
    const first = (await lease("a", { lease_ms: 60_000 })).json;
    expect(Object.keys(first)).toEqual(["batch_id", "step", "lease_expires_at", "groups"]);
    expect([first.step, Number.isNaN(Date.parse(first.lease_expires_at))]).toEqual([1, false]);
    expect((await post(`/v2/runs/a/batches/${first.batch_id}/nack`, {})).json).toEqual({ status: "nacked" });
    const again = (await lease("a", { lease_ms: 30 })).json;
    expect([again.step, marks(again.groups)]).toEqual([1, [1, 2]]);
    expect((await post(`/v2/runs/a/batches/${first.batch_id}/ack`, {})).status).toBe(409);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const third = (await lease("a", { trainer: "other" })).json;
    expect([third.step, marks(third.groups)]).toEqual([1, [1, 2]]);
    expect((await post(`/v2/runs/a/batches/${again.batch_id}/ack`, {})).status).toBe(409);
    expect((await post(`/v2/runs/a/batches/${third.batch_id}/ack`, {})).json).toEqual({ status: "acked" });
    expect((await post(`/v2/runs/a/batches/${third.batch_id}/ack`, {})).json).toEqual({ status: "acked" });
    for (const id of [first.batch_id, again.batch_id, third.batch_id])
      expect([id, (await post(`/v2/runs/a/batches/${id}/nack`, {})).status]).toEqual([id, 409]);
    for (const id of ["77.1", "x", "0.0", "0.99", "00.1", "9".repeat(200)])
      for (const what of ["ack", "nack"])
        expect([id, (await post(`/v2/runs/a/batches/${id}/${what}`, {})).status]).toEqual([id, 404]);
    expect((await call("GET", "/v2/runs/a")).json).toMatchObject({ step: 1, counts: { delivered_groups: 2 } });
  });

  it("keeps minimum shares of environments with different group sizes, exactly, in two runs at once", async () => {
    await api.close();
    api = await startApi({ port: 0, store: "memory:" });
    const sizes = [2, 4, 2];
    const shares = [0.25, 0.5, null];
    for (const name of ["a", "b"]) {
      await run(name, { batch_size: name === "a" ? 16 : 8 });
      await lease(name);
      for (const [index, size] of sizes.entries()) {
        const env = { max_token_length: 64, desired_name: "e", weight: index + 1, group_size: size };
        await post(`/v2/runs/${name}/envs`, { ...env, min_batch_allocation: shares[index] });
      }
      // The third environment is much faster than the others.
      for (const [env, groups] of [16, 12, 60].entries()) {
        const size = sizes[env]!;
        const one = {
          tokens: Array(size).fill([env]),
          masks: Array(size).fill([env]),
          scores: Array(size).fill(0),
          env_id: env,
        };
        await post(`/v2/runs/${name}/groups`, Array(groups).fill({ ...one, item_id: name }));
      }
    }
    for (const [name, batchSize] of [
      ["a", 16],
      ["b", 8],
    ] as const) {
      for (let step = 1; step <= 4; step++) {
        const { groups } = (await lease(name)).json as {
          groups: { tokens: number[][]; env_id: number; item_id: string }[];
        };
        const share = (env: number) =>
          groups.filter((one) => one.env_id === env).reduce((sum, one) => sum + one.tokens.length, 0);
        expect([0, 1, 2].reduce((sum, env) => sum + share(env), 0)).toBe(batchSize);
        expect([share(0) >= batchSize / 4, share(1) >= batchSize / 2]).toEqual([true, true]);
        expect(groups.every((one) => one.item_id === name)).toBe(true);
      }
    }
  });

  it("waits for a batch, and answers 204 where none comes", async () => {
    await run("a");
    expect((await lease("a", { max_wait_ms: 20 })).status).toBe(204);
    const waiting = lease("a", { max_wait_ms: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await post("/v2/runs/a/groups", [group(1), group(2)]);
    expect(marks((await waiting).json.groups)).toEqual([1, 2]);
  });

  const leaseText = (name: string, body: object) => {
    const text = JSON.stringify(body);
    const head = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`;
    return `POST /v2/runs/${name}/batches/lease HTTP/1.1\r\n${head}\r\n\r\n${text}`;
  };
  const rawLease = (...texts: string[]) => {
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(texts.join(""));
    return socket;
  };
  const whenRun = async (name: string, fits: (described: { step: number; started: boolean }) => boolean) => {
    for (let tries = 0; tries < 1_000; tries++) {
      if (fits((await call("GET", `/v2/runs/${name}`)).json)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`Run ${name} did not come that far.`);
  };

  it("answers several requests of one connection, and takes back what is cut off before its turn", async () => {
    for (const name of ["slow", "a"]) await run(name, { batch_size: 1 });
    const waiting = leaseText("slow", { trainer: "t", max_wait_ms: 60_000 });
    await post("/v2/runs/a/groups", [group(1), group(2)]);
    const whole = rawLease(waiting, leaseText("a", { trainer: "t" }));
    await whenRun("a", ({ step }) => step === 1);
    await post("/v2/runs/slow/groups", group(3));
    let text = "";
    for await (const chunk of whole) {
      text += chunk;
      if (text.split("batch_id").length > 2) break;
    }
    const cut = rawLease(waiting, leaseText("a", { trainer: "t" }));
    await whenRun("a", ({ step }) => step === 2);
    cut.resetAndDestroy();
    const next = (await lease("a", { max_wait_ms: 30_000 })).json;
    expect([next.step, marks(next.groups)]).toEqual([2, [2]]);
    expect((await lease("a")).status).toBe(204);
  });

  it("gives a batch to the next one where a connection was reset, while waiting or half-way", async () => {
    await run("a", { batch_size: 1 });
    const reset = async (body: object, until: (socket: Socket) => Promise<unknown>) => {
      const socket = rawLease(leaseText("a", body));
      await until(socket);
      socket.resetAndDestroy();
    };
    await reset({ trainer: "gone", max_wait_ms: 60_000 }, () => whenRun("a", ({ started }) => started));
    await post("/v2/runs/a/groups", group(1));
    const first = await lease("a", { max_wait_ms: 30_000 });
    expect([first.status, marks(first.json.groups)]).toEqual([200, [1]]);
    await api.close();
    api = await startApi({ port: 0, store: "memory:" });
    await run("a", { batch_size: 1 });
    await post("/v2/runs/a/groups", group(2, { images: "x".repeat(30_000_000) }));
    await reset({ trainer: "gone" }, (socket) => new Promise((resolve) => socket.once("data", resolve)));
    const second = await lease("a", { max_wait_ms: 30_000 });
    expect([second.status, second.json?.step, marks(second.json?.groups ?? [])]).toEqual([200, 1, [2]]);
  });

  it("stores a repeated submit once and refuses a key for another body", async () => {
    await run("a");
    const key = { "idempotency-key": "k" };
    const both = await Promise.all([
      post("/v2/runs/a/groups", group(1), key),
      post("/v2/runs/a/groups", group(1), key),
    ]);
    expect(both.map((answer) => answer.json)).toEqual(Array(2).fill({ groups: [{ status: "received" }] }));
    expect((await post("/v2/runs/a/groups", group(2), key)).status).toBe(409);
    expect((await post("/scored_data", group(1), { "idempotency-key": "x".repeat(300) })).status).toBe(422);
    expect((await call("GET", "/v2/runs/a")).json.counts.queued_groups).toBe(1);
  });

  it("says 503 with Retry-After when the queue is full, and takes again when it is not", async () => {
    await run("a", { max_queue_groups: 2 });
    await post("/v2/runs/a/groups", [group(1), group(2)]);
    const full = await post("/v2/runs/a/groups", group(3), { "idempotency-key": "k" });
    expect([full.status, full.headers.get("retry-after")]).toEqual([503, "1"]);
    const { batch_id } = (await lease("a")).json;
    await post(`/v2/runs/a/batches/${batch_id}/ack`, {});
    expect((await post("/v2/runs/a/groups", group(3), { "idempotency-key": "k" })).status).toBe(200);
  });

  it("says 503 when the queue's bytes are full, whether the server or the run bounds them, and stores nothing of it", async () => {
    await api.close();
    api = await startApi({ port: 0, store: "memory:", maxQueueBytes: 2_000 });
    await run("a");
    await run("b", { max_queue_bytes: 1_000 });
    await run("c", { max_queue_bytes: 1_000_000 });
    for (const [name, most] of [
      ["a", 2_000],
      ["b", 1_000],
      ["c", 2_000],
    ] as const) {
      const counts = async () => (await call("GET", `/v2/runs/${name}`)).json.counts;
      await post(`/v2/runs/${name}/groups`, group(1));
      const { waiting_bytes: each } = await counts();
      const fitting = Math.floor(most / each);
      for (let taken = 1; taken < fitting; taken++)
        expect((await post(`/v2/runs/${name}/groups`, group(1))).status).toBe(200);
      const full = await post(`/v2/runs/${name}/groups`, group(1), { "idempotency-key": "k" });
      expect([name, full.status, full.headers.get("retry-after")]).toEqual([name, 503, "1"]);
      expect(await counts()).toMatchObject({ queued_groups: fitting, waiting_bytes: fitting * each });
      // What a trainer holds still counts, until it is acknowledged.
      const { batch_id } = (await lease(name)).json;
      expect((await post(`/v2/runs/${name}/groups`, group(1))).status).toBe(503);
      await post(`/v2/runs/${name}/batches/${batch_id}/ack`, {});
      expect((await post(`/v2/runs/${name}/groups`, group(1), { "idempotency-key": "k" })).status).toBe(200);
    }
  });

  it("sets groups of too old weights aside, also those that grow old in the queue", async () => {
    await run("a", { max_staleness: 1 });
    const aged = (mark: number, version: number) => group(mark, { weight_versions: [version, version] });
    await post("/v2/runs/a/groups", [aged(1, 0), aged(2, 0), aged(3, 0), aged(4, 0), aged(5, 0), aged(6, 2)]);
    expect(marks((await lease("a")).json.groups)).toEqual([1, 2]);
    expect(marks((await lease("a")).json.groups)).toEqual([3, 4]);
    expect((await lease("a")).status).toBe(204);
    expect((await post("/v2/runs/a/groups", aged(7, 0))).json.groups).toEqual([{ status: "aside", reason: "stale" }]);
    expect((await call("GET", "/v2/runs/a")).json).toMatchObject({
      filtered: { stale: 2 },
      staleness: { max_allowed: 1 },
    });
  });

  it("brings an environment back under its id, and releases the weight of one that left", async () => {
    await run("a");
    await lease("a");
    const env = { max_token_length: 64, desired_name: "e", weight: 1, group_size: 1 };
    const first = (await post("/v2/runs/a/envs", env)).json;
    const second = (await post("/v2/runs/a/envs", env)).json;
    expect((await call("GET", `/v2/runs/a/envs/${first.env_id}`)).json).toMatchObject({
      env_weight: 0.5,
      trainer_gone: false,
    });
    await call("DELETE", `/v2/runs/a/envs/${second.env_id}`);
    expect((await call("GET", `/v2/runs/a/envs/${first.env_id}`)).json.env_weight).toBe(1);
    // Only a registration brings back what left, not a question.
    await call("GET", `/v2/runs/a/envs/${second.env_id}`);
    await post("/v2/runs/a/groups", group(9, { env_id: second.env_id }));
    expect((await call("GET", `/v2/runs/a/envs/${first.env_id}`)).json.env_weight).toBe(1);
    expect((await post("/v2/runs/a/envs", { ...env, token: second.token })).json.env_id).toBe(second.env_id);
    const { revision } = (await call("GET", `/v2/runs/a/envs/0/watch`)).json;
    const watching = call("GET", `/v2/runs/a/envs/0/watch?since=${revision}&wait_ms=20000`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await post("/v2/runs/a/groups", group(1, { env_id: 0 }));
    expect((await watching).json.self_queue_size).toBe(1);
    expect((await call("GET", "/v2/runs/a/envs/9")).status).toBe(404);
    expect((await call("GET", "/v2/runs/a/envs/x")).status).toBe(404);
  });

  it("takes and gives Arrow streams that say what JSON says", async () => {
    await run("a");
    const groups = [group(1, { env_id: 4, messages: [[{ role: "user", content: "ü" }]] }), group(2)];
    const stream = encodeArrow(groups);
    const packed = { "content-type": ARROW_TYPE, "content-encoding": "zstd" };
    expect((await post("/v2/runs/a/groups", zstdCompressSync(stream), packed)).json.groups).toHaveLength(2);
    await post("/v2/runs/a/groups", groups);
    const json = (await lease("a")).json.groups;
    const asked = { accept: ARROW_TYPE, "accept-encoding": "identity" };
    const arrow = await post("/v2/runs/a/batches/lease", { trainer: "t" }, asked);
    expect(arrow.headers.get("content-type")).toBe(ARROW_TYPE);
    const read = decodeArrow(arrow.bytes);
    let { batch_id } = JSON.parse(readArrowStream(arrow.bytes).metadata.get("batch")!);
    for (const accept of [`${ARROW_TYPE};q=0`, `application/json, ${ARROW_TYPE};q=0.5`, "*/*"]) {
      await post(`/v2/runs/a/batches/${batch_id}/nack`, {});
      const plain = await post("/v2/runs/a/batches/lease", { trainer: "t" }, { accept });
      expect([accept, plain.headers.get("content-type")]).toEqual([accept, "application/json"]);
      ({ batch_id } = plain.json);
    }
    expect(read.map(({ tokens, masks, scores }) => ({ tokens, masks, scores }))).toEqual(
      json.map(({ tokens, masks, scores }: Record<string, unknown>) => ({ tokens, masks, scores })),
    );
    expect([read[0]!.env_id, read[0]!.messages]).toEqual([4, json[0].messages]);
    const long = group(1, { tokens: [Array(2000).fill(7)], masks: [Array(2000).fill(7)], inference_logprobs: null });
    await post("/v2/runs/a/groups", encodeArrow([long, long]), { "content-type": ARROW_TYPE });
    const zstd = await post("/v2/runs/a/batches/lease", { trainer: "t" }, { ...asked, "accept-encoding": "zstd" });
    // fetch undoes it.
    expect(zstd.headers.get("content-encoding")).toBe("zstd");
    expect(decodeArrow(zstd.bytes)[0]!.tokens).toEqual(long.tokens);
    for (const bad of [Buffer.from("x"), stream.subarray(0, 99), Buffer.concat([stream.subarray(0, 200), stream])])
      expect((await post("/v2/runs/a/groups", bad, { "content-type": ARROW_TYPE })).status).toBe(422);
    const bomb = zstdCompressSync(Buffer.alloc(50_000_000));
    expect((await post("/v2/runs/a/groups", bomb, packed)).status).toBe(413);
  });

  it("is documented whole, shows itself and counts", async () => {
    await run("a");
    await post("/v2/runs/a/groups", group(1));
    const { paths } = (await call("GET", "/openapi.json")).json;
    for (const { method, path, roles, body } of OPERATIONS) {
      const statuses = Object.keys(paths[path][method].responses);
      expect(statuses).toEqual(expect.arrayContaining(["200", ...(roles ? ["401"] : []), ...(body ? ["422"] : [])]));
    }
    const submit = paths["/v2/runs/{run}/groups"].post;
    expect(submit.parameters.map(({ name }: { name: string }) => name)).toEqual(["run", "Idempotency-Key"]);
    expect(Object.keys(submit.responses)).toEqual(expect.arrayContaining(["409", "413", "503"]));
    for (const path of Object.keys(paths)) {
      const known = await call("PUT", path.replace(/\{\w+\}/g, "x"));
      expect([path, known.status]).toEqual([path, 405]);
      const methods = known.headers.get("allow")!.toLowerCase().split(", ").sort();
      expect([path, ...methods]).toEqual([path, ...Object.keys(paths[path]).sort()]);
    }
    for (const page of ["/docs", "/live"]) {
      const answer = await call("GET", page);
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(answer.bytes.toString()).not.toMatch(/innerHTML|https?:/);
    }
    const metrics = (await call("GET", "/metrics")).bytes.toString();
    expect(metrics).toContain('lachesis_api_queued_groups{run="a"} 1');
    expect((await call("GET", "/healthz")).json.status).toBe("ok");
    expect((await call("GET", "/readyz")).status).toBe(200);
    expect((await call("GET", "/reset_data", undefined, { "sec-fetch-site": "cross-site" })).status).toBe(403);
  });
});

describe("tokens", () => {
  beforeEach(async () => {
    api = await startApi({ port: 0, store: "memory:", tokens: TOKENS });
  });
  afterEach(() => api.close());

  it("let each role do its part", async () => {
    const as = (role: string) => ({ authorization: `Bearer ${role}-token` });
    const statuses = async (method: string, path: string, body?: unknown) =>
      Promise.all(
        [undefined, { authorization: "Bearer wrong" }, as("env"), as("trainer"), as("admin")].map(
          async (headers) => (await call(method, path, body, headers)).status,
        ),
      );
    expect(await statuses("POST", "/register", REGISTRATION)).toEqual([401, 401, 403, 200, 200]);
    expect(await statuses("POST", "/scored_data", group(1))).toEqual([401, 401, 200, 403, 200]);
    expect(await statuses("GET", "/batch")).toEqual([401, 401, 403, 200, 200]);
    expect(await statuses("GET", "/metrics")).toEqual([401, 401, 200, 200, 200]);
    expect(await statuses("GET", "/v2/runs")).toEqual([401, 401, 200, 200, 200]);
    expect(await statuses("GET", "/reset_data")).toEqual([401, 401, 403, 403, 200]);
    expect(await statuses("GET", "/healthz")).toEqual([200, 200, 200, 200, 200]);
  });

  it("are needed beyond loopback", async () => {
    await expect(startApi({ host: "0.0.0.0", port: 0, store: "memory:", tokens: "" })).rejects.toMatchObject({
      code: "config_invalid",
    });
  });
});
