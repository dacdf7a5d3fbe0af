import { spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LachesisError } from "../../core/index.ts";
import { startApi } from "../server/start.ts";
import { Outbox } from "./outbox.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbox-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const group = (score: number) => ({ tokens: [[1, 2]], masks: [[-100, 2]], scores: [score] });

describe("Outbox", () => {
  it("keeps what it could not send and goes on in order after a restart", async () => {
    const down = await Outbox.open({
      directory,
      send: async () => Promise.reject(new LachesisError("api_unavailable", "down", { details: { retryAfterMs: 1 } })),
    });
    down.start();
    for (const key of ["a", "b", "c"]) await down.add(key, { key });
    expect(await down.flush(20)).toBe(3);
    await down.close();

    const sent: unknown[] = [];
    const up = await Outbox.open({ directory, send: async (value, key) => void sent.push([key, value]) });
    expect(up.knows("b")).toBe(true);
    await up.add("b", { key: "again" });
    up.start();
    expect(await up.flush(5000)).toBe(0);
    expect(sent).toEqual(["a", "b", "c"].map((key) => [key, { key }]));
    await up.close();
    const again = await Outbox.open({ directory, send: async () => Promise.reject(new Error("nothing is left")) });
    expect([again.pending, again.knows("c")]).toEqual([0, true]);
    expect(await readdir(join(directory, "pending"))).toEqual([]);
  });

  it("sets aside what the server refuses, with its reason, and goes on", async () => {
    const refused: string[] = [];
    const outbox = await Outbox.open({
      directory,
      send: async (_, key) => {
        if (key === "bad") throw new LachesisError("api_rejected", "422 ragged");
      },
      onRejected: (key, error) => refused.push(`${key}: ${error.message}`),
    });
    outbox.start();
    await outbox.add("bad", group(1));
    await outbox.add("good", group(0));
    expect(await outbox.flush(5000)).toBe(0);
    await outbox.close();
    expect(refused).toEqual(["bad: 422 ragged"]);
    const reason = JSON.parse(await readFile(join(directory, "rejected", "0.reason.json"), "utf8"));
    expect(reason).toMatchObject({ key: "bad", error: { code: "api_rejected" } });
  });

  it("takes a torn note for none, and a half-written group for none", async () => {
    const outbox = await Outbox.open({ directory, send: async () => {} });
    await outbox.add("a", group(1));
    await writeFile(join(directory, "sent.jsonl"), '"a');
    await writeFile(join(directory, "pending", "000000001.json.tmp"), '{"key":"b"');
    const next = await Outbox.open({ directory, send: async () => {} });
    expect([next.pending, next.knows("a"), next.knows("b")]).toEqual([1, true, false]);
  });

  it("sends nothing twice where the note of what was sent fails, and forgets no key beside a torn one", async () => {
    const sent: string[] = [];
    const troubles: (string | null)[] = [];
    const notes = join(directory, "sent.jsonl");
    const send = async (_: unknown, key: string) => void sent.push(key);
    const outbox = await Outbox.open({ directory, send, onTrouble: (error) => troubles.push(error?.message ?? null) });
    await mkdir(notes);
    await outbox.add("a", group(1));
    outbox.start();
    while (troubles.filter(Boolean).length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await rmdir(notes);
    expect(await outbox.flush(20_000)).toBe(0);
    await outbox.close();
    expect(sent).toEqual(["a"]);

    await appendFile(notes, '"torn again');
    const next = await Outbox.open({ directory, send });
    next.start();
    await next.add("b", group(1));
    expect(await next.flush(20_000)).toBe(0);
    await next.close();
    const last = await Outbox.open({ directory, send });
    expect([last.knows("a"), last.knows("b"), last.pending]).toEqual([true, true, 0]);
  });

  it("keeps the body of a refused group when it died in between, and gets past a damaged file", async () => {
    const outbox = await Outbox.open({ directory, send: async () => {} });
    for (const key of ["a", "b", "c"]) await outbox.add(key, group(1));
    await writeFile(join(directory, "rejected", "0.reason.json"), '{"key":"a","error":{}}');
    await writeFile(join(directory, "pending", "000000001.json"), "\0\0\0");
    // Not ours.
    for (const folder of ["pending", "rejected"]) await writeFile(join(directory, folder, "notes.txt"), "1");
    const next = await Outbox.open({ directory, send: async () => {} });
    expect(["a", "b", "c"].map((key) => next.knows(key))).toEqual([true, false, true]);
    expect(JSON.parse(await readFile(join(directory, "rejected", "0.json"), "utf8")).group).toEqual(group(1));
    expect(await readdir(join(directory, "rejected"))).toContain("1.damaged.json");
    await next.add("b", group(2));
    expect(next.pending).toBe(2);
    expect(await readdir(join(directory, "pending"))).toEqual(["000000002.json", "000000003.json", "notes.txt"]);
  });

  it("delivers each group once, whatever is cut and however often the sender is killed", async () => {
    const api = await startApi({ port: 0, store: "memory:" });
    // A middleman that cuts every third connection after the API has answered: the sender cannot know.
    let calls = 0;
    const middle = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const key = request.headers["idempotency-key"] as string;
      const headers = { "content-type": "application/json", "idempotency-key": key };
      const body = request.method === "GET" ? undefined : Buffer.concat(chunks);
      const answer = await fetch(api.url + request.url, { method: request.method!, headers, ...(body && { body }) });
      const text = await answer.text();
      if (request.method === "POST" && ++calls % 3 === 0) request.socket.destroy();
      else response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
    });
    await new Promise<void>((resolve) => middle.listen(0, "127.0.0.1", resolve));
    const { port } = middle.address() as { port: number };
    const registration = {
      wandb_group: "g",
      wandb_project: "p",
      batch_size: 1,
      max_token_len: 9,
      checkpoint_dir: "",
      save_checkpoint_interval: 0,
      starting_step: 0,
      num_steps: 1,
    };
    const json = { method: "POST", headers: { "content-type": "application/json" } };
    await fetch(`${api.url}/v2/runs/default`, { ...json, body: JSON.stringify(registration) });
    const child = join(import.meta.dirname, "outbox-sender.fixture.ts");
    for (let round = 0; round < 6; round++) {
      const sender = spawn(process.execPath, [child, directory, `http://127.0.0.1:${port}/v2/runs/default`, "12"]);
      if (round < 5) setTimeout(() => sender.kill("SIGKILL"), 250 + round * 60);
      await new Promise((resolve) => sender.on("exit", resolve));
    }
    const scores: number[] = [];
    for (;;) {
      const answer = (await (await fetch(`${api.url}/batch`)).json()) as { batch: { scores: number[] }[] | null };
      if (!answer.batch) break;
      scores.push(answer.batch[0]!.scores[0]!);
    }
    expect(scores.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index));
    middle.close();
    await api.close();
  });
});
