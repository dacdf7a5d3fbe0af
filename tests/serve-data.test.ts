/** `lachesis data --api` as a trainer: whatever dies, each batch gives its rows once, in one whole file at the end. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterEach, expect, test, vi } from "vitest";
import { temporaryDirectory } from "./support/run-environment.ts";
import { call, endAll, ended, jsonLines, startApi, startCommand, until } from "./support/serving.ts";

afterEach(endAll);
vi.setConfig({ testTimeout: 240_000 });

const group = (item: number) => ({
  tokens: [1, 2].map((member) => [1, item, member]),
  masks: [1, 2].map((member) => [-100, -100, member]),
  scores: [1, 0],
  messages: [1, 2].map((member) => [
    { role: "user", content: `item ${item}` },
    { role: "assistant", content: `answer ${member}` },
  ]),
  item_id: `i${item}`,
  group_id: `g${item}`,
});

async function submit(url: string, from: number, to: number) {
  const groups = Array.from({ length: to - from }, (_, place) => group(from + place));
  await call(`${url}/scored_data_list`, groups);
}

const items = (file: string) => jsonLines(file).map(({ item_id }) => Number(String(item_id).slice(1)));
/** Whole lines; the last one may be in the middle of being written. */
const linesIn = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0);
const numbers = (count: number) => Array.from({ length: count }, (_, place) => place);

test("killed again and again, with the API killed as well, it writes each group's rows once", async () => {
  const folder = temporaryDirectory();
  const store = `sqlite:${join(folder, "api.db")}`;
  const out = join(folder, "rows.jsonl");
  let api = await startApi(store);
  const port = Number(new URL(api.url).port);
  await submit(api.url, 0, 120);
  const collect = () =>
    startCommand(["data", "sft", "--api", api.url, "--out", out, "--batch-size", "4", "--batches", "60"]);
  const rows = () => linesIn(`${out}.collected.jsonl`);
  for (let kill = 0; kill < 3; kill++) {
    const data = collect();
    const before = rows();
    await until(() => rows() > before + 3 || data.child.exitCode !== null, "rows", { pauseMs: 5, seconds: 100 });
    await sleep(Math.random() * 20);
    await ended(data.child, "SIGKILL");
    if (kill === 1) {
      await ended(api.child, "SIGKILL");
      api = await startApi(store, port);
    }
  }
  const last = collect();
  expect(await last.exit, last.output()).toBe(0);
  expect(items(out).sort((a, b) => a - b)).toEqual(numbers(120));
  expect(readdirSync(folder).filter((name) => name.startsWith("rows."))).toEqual(["rows.jsonl"]);
  const { counts } = await call<{ counts: Record<string, number> }>(`${api.url}/v2/runs/default`);
  expect(counts).toMatchObject({ queued_groups: 0, formed_batches: 0, leased_batches: 0, delivered_groups: 120 });
});

test("SIGTERM ends it in order, other options do not mix with what waits, --append adds", async () => {
  const folder = temporaryDirectory();
  const out = join(folder, "pairs.jsonl");
  const api = await startApi("memory:");
  await submit(api.url, 0, 4);
  const collect = (kind: string, ...more: string[]) =>
    startCommand(["data", kind, "--api", api.url, "--out", out, "--batch-size", "4", ...more]);
  const first = collect("dpo");
  // The mark is written behind the rows; what it does not name yet would be taken again when its lease has ended.
  await until(() => collectedBatches(out) === 2, "pairs");
  await ended(first.child, "SIGKILL");
  const other = collect("sft");
  expect(await other.exit).not.toBe(0);
  expect(other.output()).toContain("they are dpo jsonl");
  const second = collect("dpo");
  await until(() => second.output().includes("Going on with 4 rows of 2 batches"), "a word");
  await submit(api.url, 4, 6);
  await until(() => linesIn(`${out}.collected.jsonl`) === 6, "more pairs");
  expect(await ended(second.child, "SIGTERM")).toBe(0);
  expect(items(out)).toEqual(numbers(6));
  expect(jsonLines(out)[0]).toMatchObject({ pos: group(0).messages[0], neg: group(0).messages[1], score: 1 });

  await submit(api.url, 6, 12);
  const refused = collect("dpo");
  expect(await refused.exit).not.toBe(0);
  expect(refused.output()).toContain("--append");
  const third = collect("dpo", "--append", "--max-rows", "3");
  expect(await third.exit, third.output()).toBe(0);
  expect(items(out)).toEqual(numbers(10));
  // What nobody wanted any more is still there.
  const { counts } = await call<{ counts: Record<string, number> }>(`${api.url}/v2/runs/default`);
  expect(counts.delivered_groups).toBe(10);
});

test("filters by group, bounds items across batches, writes parquet and ShareGPT, and takes batches of a named run", async () => {
  const folder = temporaryDirectory();
  const api = await startApi("memory:");
  const run = `${api.url}/v2/runs/blue`;
  const equal = { ...group(1), scores: [1, 1] };
  for (const [format, file] of [
    ["parquet", "rows.parquet"],
    ["sharegpt", "rows.json"],
  ] as const) {
    const out = join(folder, file);
    const data = startCommand(
      ["data", "sft", "--api", run, "--out", out, "--format", format, "--batch-size", "4", "--batches", "2"].concat([
        "--filter",
        "0 < avg < 1",
        "--max-per-item",
        "1",
      ]),
    );
    await until(async () => (await fetch(run)).ok, "the run");
    await call(`${run}/groups`, [group(0), equal, group(2), { ...group(0), group_id: "again" }]);
    expect(await data.exit, data.output()).toBe(0);
    expect(data.output()).toContain("2 rows of 3 of 4 groups");
    if (format === "sharegpt") {
      expect(jsonLines(out).map((row) => row.item_id)).toEqual(["i0", "i2"]);
      expect(jsonLines(out)[0]!.conversations).toEqual([
        { from: "human", value: "item 0" },
        { from: "gpt", value: "answer 1" },
      ]);
    } else {
      const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out) });
      expect(rows).toMatchObject([{ item_id: "i0", score: 1 }, { item_id: "i2" }]);
    }
  }
});

test("several files, an empty result, and a file that is no file of groups", async () => {
  const folder = temporaryDirectory();
  const file = (name: string, ...groups: object[]) => {
    writeFileSync(join(folder, name), groups.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return join(folder, name);
  };
  const [a, b] = [file("a.jsonl", group(0)), file("b.jsonl", group(0), group(1))];
  const out = join(folder, "rows.parquet");
  const empty = startCommand(["data", "sft", a, b, "--out", out, "--format", "parquet", "--filter", "n > 2"]);
  expect(await empty.exit, empty.output()).toBe(0);
  expect(empty.output()).toContain("0 rows of 0 of 3 groups");
  expect(await parquetReadObjects({ file: await asyncBufferFromFile(out) })).toEqual([]);
  const rows = join(folder, "rows.jsonl");
  const both = startCommand(["data", "sft", a, b, "--out", rows, "--max-rows", "2"]);
  expect(await both.exit, both.output()).toBe(0);
  expect(items(rows)).toEqual([0, 0]);
  const bad = startCommand(["data", "sft", file("c.jsonl", group(0), { scores: [1], tokens: 3 }), "--out", `${rows}2`]);
  expect(await bad.exit).not.toBe(0);
  expect(bad.output()).toContain("c.jsonl:2: `tokens` must be a list");
  expect(readdirSync(folder).filter((name) => name.startsWith("rows.jsonl2"))).toEqual([]);
});

function collectedBatches(out: string): number {
  const mark = `${out}.collected.json`;
  return existsSync(mark) ? JSON.parse(readFileSync(mark, "utf8")).batches : 0;
}
