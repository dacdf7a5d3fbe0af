import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningApi, startApi } from "../src/trajectory/index.ts";
import { ARROW_TYPE, encodeArrow } from "../src/trajectory/wire/arrow.ts";

const MAX = 4_000_000;
let api: RunningApi;
const sockets: Socket[] = [];
beforeEach(async () => {
  api = await startApi({ port: 0, store: "memory:", maxBodyBytes: MAX });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await api.close();
});

const GROUP = '{"tokens":[[1]],"masks":[[1]],"scores":[1]}';
const POST = "POST /scored_data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

async function open(): Promise<Socket> {
  const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
  sockets.push(socket);
  // The server may cut what it refused.
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** The status of the first answer; 0 where the connection ends without one. */
function status(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
      const found = /^HTTP\/1\.1 (\d+)/.exec(text);
      if (found && text.includes("\r\n\r\n")) resolve(Number(found[1]));
    });
    socket.once("close", () => resolve(0));
  });
}

async function post(body: Uint8Array | string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${api.url}/scored_data`, {
    method: "POST",
    body: Buffer.from(body),
    headers: { "content-type": "application/json", ...headers },
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function queued(): Promise<unknown> {
  await fetch(`${api.url}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      wandb_group: "",
      wandb_project: "",
      batch_size: 1,
      max_token_len: 1,
      checkpoint_dir: "",
      save_checkpoint_interval: 1,
      starting_step: 0,
      num_steps: 1,
    }),
  });
  return ((await (await fetch(`${api.url}/status`)).json()) as { queue_size: number }).queue_size;
}

const residentMb = () => (Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096) / 1e6;

describe("hostile bodies", () => {
  it("are refused while they grow, whatever their length says", async () => {
    const chunked = await open();
    const answer = status(chunked);
    chunked.write(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.alloc(500_000, "[");
    for (let sent = 0; sent <= MAX && !chunked.destroyed; sent += chunk.length) {
      chunked.write(`${chunk.length.toString(16)}\r\n`);
      chunked.write(chunk);
      chunked.write("\r\n");
    }
    expect(await answer).toBe(413);
    const declared = await open();
    declared.write(`${POST}Content-Length: 1073741824\r\n\r\n[`);
    expect(await status(declared)).toBe(413);
    for (const length of ["-1", "1e3", "0x10", "99999999999999999999"]) {
      const odd = await open();
      odd.write(`${POST}Content-Length: ${length}\r\n\r\n${GROUP}`);
      expect([length, await status(odd)]).toEqual([length, 400]);
    }
    const both = await open();
    both.write(`${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    expect(await status(both)).toBe(400);
    expect(await queued()).toBe(0);
  });

  it("that end too early are not taken, those that are longer than they say are cut", async () => {
    const short = await open();
    short.end(`${POST}Content-Length: ${GROUP.length + 1}\r\n\r\n${GROUP}`);
    expect([0, 400]).toContain(await status(short));
    const long = await open();
    long.write(`${POST}Content-Length: ${GROUP.length}\r\n\r\n${GROUP}${GROUP}`);
    // What follows is no request: the first answer may be cut with the connection.
    expect([200, 400]).toContain(await status(long));
    expect([0, 1]).toContain(await queued());
  });

  it("may take their time, byte by byte, and hold up nobody", async () => {
    const slow = await open();
    const answer = status(slow);
    slow.setNoDelay(true);
    slow.write(`${POST}Content-Length: ${GROUP.length}\r\n\r\n`);
    for (const byte of GROUP.slice(0, -1)) {
      slow.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await post(GROUP)).status).toBe(200);
    slow.write(GROUP.at(-1)!);
    expect(await answer).toBe(200);
    expect(await queued()).toBe(2);
  });

  it("that are bombs cost no more than the limit", async () => {
    const zeros = Buffer.alloc(100_000_000, " ");
    const bombs: [string, Buffer, number][] = [
      ["gzip", gzipSync(zeros, { level: 1 }), 413],
      ["zstd", zstdCompressSync(zeros), 413],
      ["x-gzip", gzipSync(gzipSync(zeros, { level: 1 })), 422],
      ["gzip, gzip", gzipSync(gzipSync(GROUP)), 422],
      ["deflate", deflateSync(GROUP), 415],
      ["br", brotliCompressSync(GROUP), 415],
      ["gzip", gzipSync(GROUP).subarray(0, 20), 400],
      ["zstd", zstdCompressSync(GROUP).subarray(0, 20), 400],
      ["zstd", zstdCompressSync(GROUP).subarray(0, -1), 400],
      ["zstd", Buffer.concat([zstdCompressSync(GROUP), zstdCompressSync(GROUP)]), 422],
      ["zstd", Buffer.from(GROUP), 400],
    ];
    const before = residentMb();
    for (const [encoding, body, expected] of bombs)
      expect([encoding, (await post(body, { "content-encoding": encoding })).status]).toEqual([encoding, expected]);
    await Promise.all(Array.from({ length: 4 }, () => post(bombs[0]![1], { "content-encoding": "gzip" })));
    expect(residentMb() - before).toBeLessThan(100);
    expect(await queued()).toBe(0);
  });

  it("of few bytes that would become very many values are refused before they are read", async () => {
    const lists = `[${"[],".repeat(1_200_000)}[]]`;
    const group = GROUP.slice(0, -1);
    const stream = (metadata: Record<string, string>) => encodeArrow([JSON.parse(GROUP)], metadata);
    const empty = { tokens: [], masks: [], scores: [] };
    const rows = {
      tokens: Array(1_000_001).fill([]),
      masks: Array(1_000_001).fill([]),
      scores: Array(1_000_001).fill(0),
    };
    await api.close();
    api = await startApi({ port: 0, store: "memory:", maxBodyBytes: 100_000_000 });
    await queued();
    const json = "application/json";
    const bodies: [string, string, Uint8Array][] = [
      ["lists in a free field", json, Buffer.from(`${group},"images":[${`${lists},`.repeat(10)}0]}`)],
      ["groups", json, Buffer.from(`[${Array(100_001).fill(GROUP).join()}]`)],
      ["groups that need to be read", json, Buffer.from(`[${Array(100_001).fill(JSON.stringify(empty)).join()}]`)],
      ["rows", ARROW_TYPE, encodeArrow([rows])],
      ["metadata", ARROW_TYPE, stream({ images: lists, advantages: lists, overrides: lists, group: lists })],
    ];
    for (const [name, type, body] of bodies) {
      const answer = await fetch(`${api.url}/v2/runs/default/groups`, {
        method: "POST",
        body: gzipSync(body, { level: 1 }),
        headers: { "content-type": type, "content-encoding": "gzip" },
      });
      const { detail } = (await answer.json()) as { detail: { type: string }[] };
      expect([name, answer.status, detail[0]?.type]).toEqual([name, 422, "too_long"]);
    }
    expect(await queued()).toBe(0);
  });

  const poll = '{"trainer":"t","max_wait_ms":60000}';
  it.each([
    ["alone", ""],
    [
      "behind another request of their connection",
      `POST /v2/runs/default/batches/lease HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${poll.length}\r\n\r\n${poll}`,
    ],
  ])("wait outside while others fill the memory for them, %s, and are told when to come again", async (_, before) => {
    await queued();
    const big = Buffer.alloc(MAX - 1_000, " ");
    const held: Socket[] = [];
    for (let index = 0; index < 4; index++) {
      const socket = await open();
      socket.write(`${before}${POST}Content-Length: ${MAX}\r\n\r\n`);
      await new Promise((resolve) => socket.write(big, resolve));
      held.push(socket);
    }
    const padded = () => post(`${" ".repeat(MAX / 100)}[]`);
    let answer = await padded();
    for (let tries = 0; tries < 200 && answer.status === 422; tries++) answer = await padded();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    for (const socket of held) socket.destroy();
    for (let tries = 0; tries < 200 && answer.status === 503; tries++) answer = await padded();
    expect(answer.status).toBe(422);
  });

  it.each([
    ["bare NaN", GROUP.replace('"scores":[1]', '"scores":[NaN]')],
    ["a text of NaN", GROUP.replace('"scores":[1]', '"scores":["NaN"]')],
    ["Infinity", GROUP.replace('"scores":[1]', '"scores":[-Infinity]')],
    ["too large a number", GROUP.replace('"scores":[1]', '"scores":[1e400]')],
    ["an id beyond 31 bits", GROUP.replace("[[1]]", "[[2147483648]]")],
    ["a negative id", GROUP.replace("[[1]]", "[[-1]]")],
    ["ragged masks", GROUP.replace('"masks":[[1]]', '"masks":[[1,1]]')],
    ["fewer scores", GROUP.replace('"scores":[1]', '"scores":[]')],
    ["a text for a list", GROUP.replace("[[1]]", '"1"')],
    ["a list of lists for numbers", GROUP.replace('"scores":[1]', '"scores":[[1]]')],
    ["null for a list", GROUP.replace("[[1]]", "null")],
    ["no sequence", '{"tokens":[],"masks":[],"scores":[]}'],
    ["deep nesting", `${GROUP.slice(0, -1)},"images":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["text behind it", `${GROUP}${GROUP}`],
    ["a list", `[${GROUP}]`],
    ["nothing", ""],
  ])("with %s are refused with a reason, and nothing is stored", async (_, body) => {
    const answer = await post(body);
    expect([answer.status, JSON.parse(answer.text).detail[0].msg]).toEqual([422, expect.any(String)]);
    expect(answer.text.length).toBeLessThan(10_000);
    expect(await queued()).toBe(0);
  });
});
