import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChatMessage } from "../../core/index.ts";
import { parseFilter } from "./filter.ts";
import { openRows } from "./row-writer.ts";
import { dpoRows, sftRows } from "./rows.ts";
import { trainingGroup } from "./scored-group.ts";
import type { SelectOptions } from "./select.ts";
import { shareGpt } from "./sharegpt.ts";
import { groupsFile, groupsOf } from "./sources.ts";

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const everything: SelectOptions = { select: null, maxPerItem: null, allowNegative: false, margin: null };
const tools = [{ type: "function", function: { name: "f", description: "", parameters: {} } }];

const groupLine = (scores: number[], extra: object = {}) => ({
  tokens: scores.map((_, row) => [1, row]),
  masks: scores.map((_, row) => [-100, row]),
  scores,
  messages: scores.map((_, row) => [user("q"), assistant(`a${row}`)]),
  item_id: "i",
  group_id: "g",
  tools,
  ...extra,
});

describe("filter", () => {
  it("knows chains, names, pass@k, and, or, not", () => {
    const holds = (text: string, rewards: number[]) => parseFilter(text)(rewards);
    expect(holds("0 < avg < 1", [0, 1])).toBe(true);
    expect(holds("0 < avg < 1", [1, 1])).toBe(false);
    expect(holds("pass@4 >= 0.5", [0, 0, 0, 1])).toBe(true);
    expect(holds("pass@4 >= 0.5", [1])).toBe(false);
    expect(holds("solved", [0.5])).toBe(false);
    expect(holds("not solved and (best > .4 or n == 9)", [0.5])).toBe(true);
    expect(holds("worst >= -1", [-1, 3])).toBe(true);
    expect(holds("avg > 0", [])).toBe(false);
  });

  it("says where an expression is wrong, whatever it is", () => {
    expect(() => parseFilter("avrg > 1")).toThrow(/column 1: "avrg" is not known; did you mean avg\?/);
    expect(() => parseFilter("(avg > 1")).toThrow(/column 9/);
    expect(() => parseFilter("avg > 1 2")).toThrow(/column 9/);
    for (const name of ["constructor", "toString > 1", "1 valueOf 2"])
      expect(() => parseFilter(name)).toThrow(/--filter/);
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseFilter(text)([1]);
        } catch (error) {
          expect((error as { code: string }).code).toBe("config_invalid");
        }
      }),
    );
  });
});

describe("rows", () => {
  it("takes the good rollouts, best first, with their tools", () => {
    const group = trainingGroup(groupLine([0, 1, 0.5]), "f:1", 1);
    const rows = sftRows(group, everything, null);
    expect(rows.map((row) => row.score)).toEqual([1, 0.5]);
    expect(rows[0]).toMatchObject({ messages: [user("q"), assistant("a1")], tools, item_id: "i" });
    expect(sftRows(group, { ...everything, allowNegative: true }, null)).toHaveLength(3);
    expect(sftRows(group, { ...everything, select: "correct" }, null)).toHaveLength(1);
    expect(sftRows(group, { ...everything, margin: 0.6 }, null)).toHaveLength(1);
    expect(sftRows(group, { ...everything, maxPerItem: 1 }, null)).toHaveLength(1);
  });

  it("trains no turn twice across the branches of a rollout", () => {
    const shared = [user("q"), assistant("one")];
    const group = trainingGroup(
      groupLine([1, 1, 1], {
        rollout_ids: ["r", "r", "s"],
        messages: [[...shared, user("x"), assistant("two")], [...shared, user("y"), assistant("three")], shared],
      }),
      "f:1",
      1,
    );
    const rows = sftRows(group, everything, null) as { messages: (ChatMessage & { weight?: number })[] }[];
    const trained = rows.flatMap(({ messages }) =>
      messages.filter((m) => m.role === "assistant" && m.weight !== 0).map((m) => m.content),
    );
    expect(trained.sort()).toEqual(["one", "one", "three", "two"]);
    expect(rows.find(({ messages }) => messages.at(-1)!.content === "three")!.messages[1]!.weight).toBe(0);
  });

  it("pairs better with worse, none twice, and cuts the common text", () => {
    const group = trainingGroup(groupLine([1, 0, 1, 0.2]), "f:1", 1);
    const pairs = dpoRows(group, { ...everything, margin: 0.9 }, null);
    expect(pairs).toMatchObject([{ pos: [user("q"), assistant("a0")], neg: [user("q"), assistant("a1")], score: 1 }]);
    const texts = dpoRows(group, everything, (tokens) => `same ${tokens[1]}`);
    expect(texts[0]).toMatchObject({ prefix: "same ", pos: "0", neg: "1" });
  });

  it("refuses groups without conversations instead of writing nothing", () => {
    const group = trainingGroup(groupLine([1], { messages: null }), "f:1", 1);
    expect(() => sftRows(group, everything, null)).toThrow(/include_messages/);
    expect(sftRows(group, everything, () => "text")).toHaveLength(1);
  });
});

describe("files", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "rows-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("writes JSON lines and parquet, replaces nothing, appends when asked", async () => {
    const [row] = sftRows(trainingGroup(groupLine([1]), "f:1", 1), everything, null);
    const path = join(directory, "rows.jsonl");
    for (const append of [false, true]) {
      const writer = await openRows(path, "jsonl", append);
      await writer.write(row!);
      await writer.close();
    }
    expect(
      (await readFile(path, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([row, row]);
    await expect(openRows(path, "jsonl", false)).rejects.toThrow(/--append/);
    const parquet = await openRows(join(directory, "rows.parquet"), "parquet", false);
    await parquet.write(row!);
    await parquet.close();
    const [read] = await parquetReadObjects({ file: await asyncBufferFromFile(join(directory, "rows.parquet")) });
    expect(read).toMatchObject({ score: 1, item_id: "i" });
    expect(JSON.parse((read as { messages: string }).messages)).toEqual([user("q"), assistant("a0")]);
  });

  it("reads run directories and names the line that is wrong", async () => {
    await writeFile(join(directory, "groups.jsonl"), `${JSON.stringify(groupLine([1]))}\n{"scores": "x"}\n`);
    const file = await groupsFile(directory);
    const groups = groupsOf(file);
    expect((await groups.next()).value).toMatchObject({ groupId: "g" });
    await expect(groups.next()).rejects.toThrow(/groups\.jsonl:2/);
    await expect(groupsFile(join(directory, "none"))).rejects.toThrow(/does not exist/);
  });

  it("gives ShareGPT with calls and results as text", () => {
    const call = { id: "1", type: "function" as const, function: { name: "f", arguments: '{"x": 1}' } };
    const row = {
      messages: [
        user("q"),
        { ...assistant(""), tool_calls: [call] },
        { role: "tool" as const, tool_call_id: "1", content: "ok" },
      ],
      score: 1,
      item_id: "i",
      group_id: "g",
      rollout_id: "r",
    };
    expect(shareGpt(row).conversations).toEqual([
      { from: "human", value: "q" },
      { from: "gpt", value: '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>' },
      { from: "tool", value: "<tool_response>\nok\n</tool_response>" },
    ]);
  });
});
