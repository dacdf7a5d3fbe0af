import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { noUsage } from "../core/index.ts";
import { readJournal } from "./journal.ts";
import { linesOf } from "./json-lines.ts";
import type { Outcome } from "./outcome.ts";
import type { GroupRecord, RolloutRecord } from "./record.ts";
import { groupsPathOf, Recorder } from "./recorder.ts";
import { openRun, type RunIdentity } from "./run-directory.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "lachesis-recorder-"));
  made.push(path);
  return path;
}

const identity: RunIdentity = { environment: "e", mode: "process", config: { env: { group_size: 2 } } };

async function opened(path: string, wanted: string | null = null) {
  const run = await openRun(identity, { directory: path, resume: false });
  const recorder = await Recorder.open(run, await groupsPathOf(run, wanted));
  const close = async () => {
    await recorder.close();
    await run.release();
  };
  return { run, recorder, close };
}

function rollout(id: string, outcome: Outcome = { kind: "scored", reward: 1 }): RolloutRecord {
  const [group, member] = id.split("/");
  return {
    type: "rollout",
    item_id: group!,
    group_id: group!,
    rollout_id: id,
    member: Number(member),
    seed: 1,
    outcome,
    stop_reason: "completed",
    turns_used: 1,
    usage: noUsage(),
    timings: { started_at: "", total_ms: 1, model_ms: 1, tool_ms: 0, reward_ms: 0 },
    tool_errors: [],
    tries: 1,
  };
}

const group = (id: string): GroupRecord => ({
  type: "group",
  item_id: id,
  group_id: id,
  status: "written",
  reason: null,
  scored: 2,
  size: 2,
});

test("a crash at any byte loses only what was not acknowledged, and nothing is doubled", async () => {
  const source = folder();
  const { recorder, close } = await opened(join(source, "run"));
  const acknowledged: { id: string; journal: number }[] = [];
  const sizeOf = () => readFileSync(join(source, "run", "journal.jsonl")).length;
  for (let g = 0; g < 4; g++) {
    for (const member of [0, 1]) {
      await recorder.rollout(rollout(`g${g}/${member}`), { rollout_id: `g${g}/${member}`, text: "é\n".repeat(g + 1) });
      acknowledged.push({ id: `g${g}/${member}`, journal: sizeOf() });
    }
    await recorder.group(group(`g${g}`), JSON.stringify({ group: g }));
  }
  await close();
  const files = ["journal.jsonl", "rollouts.jsonl", "groups.jsonl", "run.json"].map((name) => {
    return [name, readFileSync(join(source, "run", name))] as const;
  });
  const journalSize = files[0]![1].length;

  await fc.assert(
    fc.asyncProperty(fc.nat(journalSize), fc.nat(40), async (cut, torn) => {
      const copy = join(folder(), "run");
      await openRun(identity, { directory: copy, resume: false }).then((run) => run.release());
      for (const [name, content] of files) writeFileSync(join(copy, name), content);
      truncateSync(join(copy, "journal.jsonl"), cut);
      // Bulk bytes that were written, whole or in part, before the journal could name them.
      appendFileSync(join(copy, "groups.jsonl"), '{"group":99,"half'.slice(0, torn % 17));

      const again = await opened(copy);
      const { state } = again.recorder;
      for (const { id, journal } of acknowledged) {
        if (journal <= cut) expect(state.rollouts.has(id)).toBe(true);
      }
      for (let g = 0; g < 4; g++) {
        for (const member of [0, 1]) {
          const id = `g${g}/${member}`;
          const known = state.rollouts.get(id);
          if (known) expect(await again.recorder.bulkOf(known.place!)).toMatchObject({ rollout_id: id });
          else await again.recorder.rollout(rollout(id), { rollout_id: id });
        }
        if (!state.groups.has(`g${g}`)) await again.recorder.group(group(`g${g}`), JSON.stringify({ group: g }));
      }
      await again.close();
      const groups = readFileSync(join(copy, "groups.jsonl"), "utf8").trim().split("\n");
      expect(groups.map((line) => JSON.parse(line).group).sort()).toEqual([0, 1, 2, 3]);
      const replayed = await readJournal(join(copy, "journal.jsonl"));
      expect(replayed.damaged).toBe(0);
      expect([...replayed.rollouts.keys()].sort()).toEqual(acknowledged.map(({ id }) => id).sort());
    }),
    { numRuns: 40 },
  );
});

test("many rollouts at once are all recorded, each at its place", async () => {
  const { recorder, close } = await opened(join(folder(), "run"));
  await Promise.all(
    Array.from({ length: 500 }, (_, index) =>
      recorder.rollout(rollout(`g${index}/0`), { index, text: "x".repeat(index) }),
    ),
  );
  for (const index of [0, 1, 250, 499]) {
    const record = recorder.state.rollouts.get(`g${index}/0`)!;
    expect(await recorder.bulkOf(record.place!)).toMatchObject({ index });
  }
  await close();
});

test("bulk files that were removed or cut are made again", async () => {
  const path = join(folder(), "run");
  const first = await opened(path);
  await first.recorder.rollout(rollout("a/0"), { text: "kept" });
  await first.recorder.group(group("a"), '{"group":1}');
  await first.close();
  rmSync(join(path, "groups.jsonl"));
  const second = await opened(path);
  expect(second.recorder.state.rollouts.has("a/0")).toBe(true);
  expect(second.recorder.state.groups.has("a")).toBe(false);
  await second.close();
});

test("rollouts that were aborted because the run had to stop are made again", async () => {
  const path = join(folder(), "run");
  const first = await opened(path);
  const error = { code: "auth", message: "401", fault: "user", retryable: false } as const;
  await first.recorder.rollout(rollout("a/0", { kind: "aborted", error }), {});
  await first.recorder.group({ ...group("a"), status: "filtered", reason: "too_few_scored" }, null);
  await first.recorder.rollout(rollout("b/0", { kind: "aborted", error: { ...error, code: "server_error" } }), {});
  await first.close();
  const { recorder, close } = await opened(path);
  expect([...recorder.state.rollouts.keys()]).toEqual(["b/0"]);
  expect(recorder.state.groups.size).toBe(0);
  await close();
});

test("a path for groups that is taken by another run gets a number, and a resumed run keeps its own", async () => {
  const base = folder();
  const wanted = join(base, "data", "groups.jsonl");
  const first = await opened(join(base, "one"), wanted);
  expect(first.recorder.groupsPath).toBe(wanted);
  await first.recorder.group(group("a"), '{"group":1}');
  await first.close();
  const second = await opened(join(base, "two"), wanted);
  expect(second.recorder.groupsPath).toBe(join(base, "data", "groups_1.jsonl"));
  await second.close();
  const again = await opened(join(base, "one"), wanted);
  expect(again.recorder.groupsPath).toBe(wanted);
  await again.recorder.group(group("b"), '{"group":2}');
  await again.close();
  expect(readFileSync(wanted, "utf8")).toBe('{"group":1}\n{"group":2}\n');
});

test("a full disk is said once and leaves no half line", async () => {
  if (!existsSync("/dev/full")) return;
  const path = join(folder(), "run");
  const run = await openRun(identity, { directory: path, resume: false });
  const recorder = await Recorder.open(run, "/dev/full");
  await recorder.rollout(rollout("a/0"), { text: "before" });
  await expect(recorder.group(group("a"), "{}")).rejects.toMatchObject({ code: "disk_full" });
  await expect(recorder.rollout(rollout("a/1"), {})).rejects.toMatchObject({ code: "disk_full" });
  expect(recorder.failure?.message).toContain("run the same command again");
  await recorder.close();
  await run.release();
  const state = await readJournal(join(path, "journal.jsonl"));
  expect([...state.rollouts.keys()]).toEqual(["a/0"]);
  expect(state.damaged).toBe(0);
});

test("lines are read whole whatever their size and wherever the pieces fall", async () => {
  const path = join(folder(), "lines.jsonl");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "grapheme", maxLength: 60 })), fc.string(), async (texts, torn) => {
      const lines = texts.map((text) => JSON.stringify(text));
      const big = JSON.stringify("y".repeat(300_000));
      writeFileSync(path, [...lines, big].map((line) => `${line}\n`).join("") + JSON.stringify(torn).slice(0, -1));
      const found: string[] = [];
      for await (const { text } of linesOf(path)) found.push(text);
      expect(found).toEqual([...lines, big]);
    }),
    { numRuns: 20 },
  );
});
