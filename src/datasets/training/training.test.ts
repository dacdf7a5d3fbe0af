import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import { Collection } from "./collection.ts";
import { parseFilter } from "./filter.ts";
import { openRows } from "./row-writer.ts";
import { dpoRows, sftRows } from "./rows.ts";
import { trainingGroup } from "./scored-group.ts";
import type { SelectOptions } from "./select.ts";
import { shareGpt } from "./sharegpt.ts";
import { groupsFile, groupsOf, judgedGroups } from "./sources.ts";

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const everything: SelectOptions = { select: null, maxPerItem: null, allowNegative: false, margin: null };
const tools: ToolSchema[] = [{ type: "function", function: { name: "f", description: "", parameters: {} } }];

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

async function all(path: string) {
  const groups = [];
  for await (const group of groupsOf(path)) groups.push(group);
  return groups;
}

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
    expect(holds("avg == 0.7 and worst <= avg <= best", [0.7, 0.7, 0.7])).toBe(true);
    expect(holds("best == 1 and worst == 0", Array(300_000).fill(0).concat([1]))).toBe(true);
  });

  it("says where an expression is wrong, whatever it is", () => {
    expect(() => parseFilter("avrg > 1")).toThrow(/column 1: "avrg" is not known; did you mean avg\?/);
    expect(() => parseFilter("n > 1 && solved")).toThrow(
      'column 7: "&" is not expected here; write and.\n  n > 1 && solved\n        ^\n',
    );
    expect(() => parseFilter("avg > > 1")).toThrow(/column 7: a number or a name is missing before ">"/);
    for (const deep of ["(".repeat(100_000), "not ".repeat(100_000)])
      expect(() => parseFilter(deep)).toThrow(/levels deep/);
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
    const sent = trainingGroup(groupLine([1], { tools: undefined, generation_params: { n: 1, tools } }), "f:1", 1);
    expect(sftRows(sent, everything, null)[0]!.tools).toEqual(tools);
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
        tokens: [
          [1, 2, 3, 4],
          [1, 2, 5, 6],
          [1, 2],
        ],
        masks: [
          [-100, 2, -100, 4],
          [-100, -100, -100, 6],
          [-100, 2],
        ],
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
    const texts = sftRows(group, everything, (tokens) => tokens.join(""));
    expect(texts.map((row) => ("prefix" in row ? [row.prefix, row.completion] : []))).toEqual([
      ["1", "2"], // Of s, and all that it says: the common text would leave nothing.
      ["12", "34"],
      ["125", "6"],
    ]);
  });

  it("shows turns that the policy did not sample and trains them never", () => {
    const example = [user("1 + 1?"), assistant("2")];
    const line = groupLine([1], {
      messages: [[...example, user("2 + 2?"), assistant("4"), user("sure?"), assistant("yes")]],
      tokens: [[1, 2, 3, 4, 5]],
      masks: [[-100, -100, 3, -100, 5]],
    });
    const weights = (value: object) =>
      (
        sftRows(trainingGroup(value, "f:1", 1), everything, null) as { messages: { role: string; weight?: 0 }[] }[]
      )[0]!.messages
        .filter(({ role }) => role === "assistant")
        .map(({ weight }) => weight ?? 1);
    expect(weights(line)).toEqual([0, 1, 1]);
    // Whatever turn it is.
    expect(weights({ ...line, masks: [[-100, 2, -100, -100, 5]] })).toEqual([1, 0, 1]);
    expect(weights({ ...line, masks: [[-100, 2, -100, 4, -100]] })).toEqual([1, 1, 0]);
    expect(weights({ ...line, masks: [[-100, 2, -100, -100, -100]] })).toEqual([1, 0, 0]);
    // Pictures, and thoughts that the template leaves out, take no room among the tokens.
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(9999)}` } };
    const thought = { ...assistant("2"), reasoning_content: "One and one. ".repeat(99) };
    for (const shown of [
      [{ role: "user", content: [picture] }, assistant("2")],
      [user("1 + 1?"), thought],
    ]) {
      const messages = [[...shown, ...line.messages![0]!.slice(2)]];
      expect(weights({ ...line, messages })).toEqual([0, 1, 1]);
    }
    expect(weights({ ...line, token_source: "rendered" })).toEqual([1, 1, 1]);
    // A mask that trains from the first token on does not tell prompt and answer apart; without one nothing is known.
    expect(weights({ ...line, masks: [[1, 1, 1, 1, 1]] })).toEqual([1, 1, 1]);
    expect(weights({ ...line, masks: null })).toEqual([1, 1, 1]);
  });

  it("makes a text row of each sequence of a conversation whose history was rendered anew", () => {
    const talk = [user("q"), assistant("one"), user("more"), assistant("two")];
    const group = trainingGroup(
      groupLine([1, 1], {
        rollout_ids: ["r", "r"],
        messages: [talk, talk],
        tokens: [
          [1, 7, 2],
          [1, 2, 3, 4],
        ],
        masks: [
          [-100, 7, 2],
          [-100, -100, -100, 4],
        ],
      }),
      "f:1",
      1,
    );
    const texts = sftRows(group, everything, (tokens) => tokens.join(""));
    expect(texts).toMatchObject([
      { prefix: "1", completion: "72" },
      { prefix: "123", completion: "4" },
    ]);
    expect(sftRows(group, everything, null)).toHaveLength(1);
  });

  it("pairs better with worse, none twice, and cuts the common text", () => {
    const group = trainingGroup(groupLine([1, 0, 1, 0.2]), "f:1", 1);
    const pairs = dpoRows(group, { ...everything, margin: 0.9 }, null);
    expect(pairs).toMatchObject([{ pos: [user("q"), assistant("a0")], neg: [user("q"), assistant("a1")], score: 1 }]);
    const texts = dpoRows(group, everything, (tokens) => `same ${tokens[1]}`);
    expect(texts[0]).toMatchObject({ prefix: "same ", pos: "0", neg: "1" });
  });

  it("takes a difference for what it is in decimals", () => {
    const close = trainingGroup(groupLine([0.3, 0.2]), "f:1", 1);
    expect(dpoRows(close, { ...everything, margin: 0.1 }, null)).toHaveLength(1);
    expect(sftRows(trainingGroup(groupLine([0.4, 0.3]), "f:1", 1), { ...everything, margin: 0.1 }, null)).toEqual([]);
  });

  it("refuses groups without conversations instead of writing nothing", () => {
    const group = trainingGroup(groupLine([1], { messages: null }), "f:1", 1);
    expect(() => sftRows(group, everything, null)).toThrow(/include_messages/);
    expect(sftRows(group, everything, (tokens) => `text ${tokens}`)).toHaveLength(1);
    const spoken = trainingGroup(groupLine([1, 0], { tokens: null, masks: null }), "f:1", 1);
    for (const make of [sftRows, dpoRows]) expect(() => make(spoken, everything, String)).toThrow(/holds no tokens/);
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
      const writer = await openRows({ path, format: "jsonl", kind: "sft", append });
      await writer.write(row!);
      await writer.close();
    }
    expect(
      (await readFile(path, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([row, row]);
    await expect(openRows({ path, format: "jsonl", kind: "sft", append: false })).rejects.toThrow(/--append/);
    const cut = join(directory, "cut.jsonl");
    await writeFile(cut, '{"whole": 1}');
    const more = await openRows({ path: cut, format: "jsonl", kind: "sft", append: true });
    await more.write(row!);
    await more.close();
    expect((await readFile(cut, "utf8")).split("\n").map((line) => line && JSON.parse(line))).toEqual([
      { whole: 1 },
      row,
      "",
    ]);
    const deep = await openRows({ path: join(directory, "a/b/c.jsonl"), format: "jsonl", kind: "sft", append: false });
    await deep.discard();
    await expect(
      openRows({ path: join(cut, "x.parquet"), format: "parquet", kind: "sft", append: false }),
    ).rejects.toMatchObject({ code: "data_invalid", message: expect.stringContaining("x.parquet cannot be written") });
    const parquet = await openRows({
      path: join(directory, "rows.parquet"),
      format: "parquet",
      kind: "sft",
      append: false,
    });
    await parquet.write(row!);
    await parquet.close();
    const [read] = await parquetReadObjects({ file: await asyncBufferFromFile(join(directory, "rows.parquet")) });
    expect(read).toMatchObject({ score: 1, item_id: "i" });
    expect(JSON.parse((read as { messages: string }).messages)).toEqual([user("q"), assistant("a0")]);
  });

  it("selects over all groups of an item, and leaves what is written meanwhile", async () => {
    const path = join(directory, "groups.jsonl");
    const line = (id: string, scores: number[], texts: string[]) =>
      `${JSON.stringify(groupLine(scores, { group_id: id, tokens: null, masks: null, messages: texts.map((text) => [user("q"), assistant(text)]) }))}\n`;
    await writeFile(path, line("a", [1, 0], ["quite long", "x"]) + line("b", [1, 2], ["short", "the very best"]));
    const taken = async (select: SelectOptions["select"]) => {
      const rows = [];
      for await (const { group } of judgedGroups(path)) rows.push(...sftRows(group, { ...everything, select }, null));
      return rows.map((row) => ("messages" in row ? row.messages.at(-1)!.content : null));
    };
    expect(await taken("best")).toEqual(["the very best"]);
    expect(await taken("shortest")).toEqual(["short"]);
    expect(await taken("correct")).toEqual(["quite long", "the very best", "short"]);
    const seen = [];
    for await (const { group } of judgedGroups(path)) {
      seen.push(group.groupId);
      await appendFile(path, line(`later ${seen.length}`, [1, 0], ["a", "b"]));
    }
    expect(seen).toEqual(["a", "b"]);
  });

  it("writes parquet in blocks, whole scores as floats, and columns that do not depend on the first row", async () => {
    const [row] = sftRows(trainingGroup(groupLine([1], { tools: null }), "f:1", 1), everything, null);
    const path = join(directory, "rows.parquet");
    const writer = await openRows({ path, format: "parquet", kind: "sft", append: false });
    const long = { ...row!, messages: [user("x".repeat(3_000_000))] };
    for (let count = 0; count < 15; count++) await writer.write({ ...long, score: count, ...(count > 5 && { tools }) });
    await writer.close();
    const file = await asyncBufferFromFile(path);
    expect((await parquetMetadataAsync(file)).row_groups).toHaveLength(2);
    const rows = await parquetReadObjects({ file });
    expect(rows.map(({ score }) => score)).toEqual(Array.from({ length: 15 }, (_, index) => index));
    expect(rows.map((read) => read.tools)).toEqual(
      Array.from({ length: 15 }, (_, at) => (at > 5 ? JSON.stringify(tools) : null)),
    );
    const lines = await openRows({ path: join(directory, "rows.jsonl"), format: "jsonl", kind: "sft", append: false });
    await lines.write(row!);
    await lines.close();
    expect(await readFile(join(directory, "rows.jsonl"), "utf8")).toContain('"score":1.0,');
  });

  it("reads run directories and names the line that is wrong", async () => {
    await writeFile(join(directory, "groups.jsonl"), `${JSON.stringify(groupLine([1]))}\n{"scores": "x"}\n`);
    const file = await groupsFile(directory);
    const groups = groupsOf(file);
    expect((await groups.next()).value).toMatchObject({ groupId: "g" });
    await expect(groups.next()).rejects.toThrow(/groups\.jsonl:2: `scores` must be a list of numbers/);
    await expect(groupsFile(join(directory, "none"))).rejects.toThrow(/does not exist/);
  });

  it("knows a collection that was finished but for its own files", async () => {
    const path = join(directory, "rows.jsonl");
    await writeFile(path, "{}\n");
    const file = { path, format: "jsonl", kind: "sft", append: true } as const;
    const [row] = sftRows(trainingGroup(groupLine([1]), "f:1", 1), everything, null);
    const kept = [`${path}.collected.jsonl`, `${path}.collected.json`] as const;
    const collection = await Collection.open(file);
    await collection.add({ name: "a", lease: null }, [row!]);
    // What a process leaves that is killed at the very end, and one that is killed before the file has its name.
    const rows = await readFile(kept[0]);
    await collection.finish();
    const whole = await readFile(path);
    const mark = {
      of: "sft jsonl",
      bytes: rows.length,
      rows: 1,
      batches: 1,
      last: null,
      before: 3,
      after: whole.length,
    };
    const left = async () => {
      await writeFile(kept[0], rows);
      await writeFile(kept[1], JSON.stringify(mark));
    };
    await left();
    // Another process that is alive.
    const owner = { pid: process.ppid, host: hostname(), started: null };
    await writeFile(kept[1], JSON.stringify({ ...mark, owner }));
    await expect(Collection.open(file)).rejects.toThrow(`in use by process ${process.ppid}`);
    await left();
    const next = await Collection.open(file);
    expect([next.rows, next.batches]).toEqual([0, 0]);
    await next.close();
    await left();
    await writeFile(path, "{}\n");
    const again = await Collection.open(file);
    expect(again.rows).toBe(1);
    await again.finish();
    expect(await readFile(path)).toEqual(whole);
  });

  it("keeps line separators that are no line ends, and names each field that is wrong", async () => {
    const path = join(directory, "groups.jsonl");
    const odd = "a\u2028b\u2029c\u0085d\r🙂";
    await writeFile(
      path,
      `\uFEFF${JSON.stringify(groupLine([1], { messages: [[user(odd), assistant("ok")]] }))}\r\n\n`,
    );
    const groups = await all(path);
    expect(groups.map(({ rollouts }) => rollouts[0]!.conversations[0]!.messages[0]!.content)).toEqual([odd]);
    const wrong: [object, RegExp][] = [
      [{ scores: [1, "2"] }, /`scores`/],
      [{ messages: [[user("q")]] }, /`messages` has 1 entries for 2 scores/],
      [{ messages: ["q", "r"] }, /`messages\[0\]` must be a list/],
      [{ messages: [[user("q")], [{ role: "robot", content: "" }]] }, /`messages\[1\]\[0\]`/],
      [{ messages: [[user("q")], [{ role: "user", content: 7 }]] }, /`messages\[1\]\[0\]\.content`/],
      [
        {
          tokens: [
            [1, 2],
            [1, 1.5],
          ],
        },
        /`tokens\[1\]`/,
      ],
      [{ masks: [[1, 2], "x"] }, /`masks\[1\]`/],
      [{ masks: [[1], [2]] }, /`masks\[0\]` has 1 entries for 2 tokens/],
      [{ outcome: { kind: "scored", reward: "1" }, messages: [] }, /`outcome.reward`/],
      [{ messages: [[user("q")], [{ role: "user", content: ["7"] }]] }, /`messages\[1\]\[0\]\.content`/],
      [{ messages: [[], [{ ...assistant(""), tool_calls: [{ name: "f" }] }]] }, /`messages\[1\]\[0\]\.tool_calls`/],
      [{ rollout_ids: ["r"] }, /`rollout_ids` has 1/],
      [{ tools: "bash" }, /`tools`/],
    ];
    for (const [field, message] of wrong) {
      await writeFile(path, `\n${JSON.stringify(groupLine([1, 0], field))}`);
      const read = all(path);
      await expect(read).rejects.toThrow(message);
      await expect(read).rejects.toThrow(/groups\.jsonl:2:/);
    }
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
    const picture = { type: "image_url", image_url: { url: "data:1" } };
    const seen = { role: "user" as const, content: [{ type: "text", text: "What is " }, picture] };
    const asObject = { ...call, function: { name: "f", arguments: { x: 1 } as unknown as string } };
    const shown = shareGpt({ ...row, messages: [seen, { ...assistant(""), tool_calls: [asObject] }] });
    expect(shown).toMatchObject({ images: ["data:1"], conversations: [{ value: "What is <image>" }, {}] });
    expect(JSON.stringify(shown)).toContain('\\"arguments\\": {\\"x\\":1}');
  });
});
