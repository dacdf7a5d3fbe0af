import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  call,
  calls,
  type OpenAIServer,
  type ReceivedRequest,
  says,
  startOpenAIServer,
} from "../../tests/support/openai-server.ts";
import { type RunSettings, runEnvironment } from "../../tests/support/run-environment.ts";
import TerminalTestEnv from "./env.ts";

let server: OpenAIServer;
beforeAll(async () => {
  server = await startOpenAIServer(() => says(""));
});
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
});

type Message = { role: string; content: string };
const messagesOf = (request: ReceivedRequest) => request.body.messages as Message[];
const answered = (request: ReceivedRequest) => messagesOf(request).some(({ role }) => role === "tool");

function run(settings: Partial<RunSettings>) {
  return runEnvironment(TerminalTestEnv, { ...settings, openai: { base_url: server.baseUrl, model_name: "m" } });
}

function dataset(rows: object[]): string {
  const path = join(mkdtempSync(join(tmpdir(), "terminal-test-")), "tasks.jsonl");
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return path;
}

const TASKS = [
  { id: "one", prompt: "one", verify_path: "~/one.txt", expected_content: 'it\'s "1"\n' },
  { id: "two", prompt: "two", verify_path: "sub dir/two.txt", expected_content: "2" },
];

describe("rewards", () => {
  /** What the "model" does on each task, by its prompt. */
  const script = (acts: Record<string, unknown>) => (request: ReceivedRequest) =>
    answered(request) ? says("done") : calls(acts[messagesOf(request)[0]!.content] as object);

  test("a file with exactly the text is worth 1, whichever tool wrote it", async () => {
    server.script = script({
      one: call("c1", "terminal", { command: `printf %s "it's \\"1\\"" > ~/one.txt` }),
      two: call("c1", "write_file", { path: "sub dir/two.txt", content: "  2 \n" }),
    });
    const { code, lines } = await run({ env: { dataset_name: dataset(TASKS), total_steps: 2, group_size: 2 } });
    expect(code).toBe(0);
    const groups = lines("groups.jsonl");
    expect(groups.map(({ item_id, scores }) => [item_id, scores])).toEqual(
      expect.arrayContaining([
        ["one", [1, 1]],
        ["two", [1, 1]],
      ]),
    );
    const tools = groups[0]!.tools as { function: { name: string } }[];
    expect(tools.map((tool) => tool.function.name)).toEqual([
      "patch",
      "process",
      "read_file",
      "search_files",
      "terminal",
      "write_file",
    ]);
    const row = lines("metrics.jsonl").at(-1);
    expect(row).toMatchObject({
      "train/avg_reward": 1,
      "train/accuracy": 1,
      "train/partial_match_rate": 0,
      "train/total_rollouts": 4,
    });
  });

  test("anything else is worth 0, and padding is worth what partial_credit says", async () => {
    server.script = script({
      one: call("c1", "terminal", { command: "true" }),
      two: call("c1", "terminal", { command: "mkdir -p 'sub dir' && echo 1 2 3 > 'sub dir/two.txt'" }),
    });
    const env = { dataset_name: dataset(TASKS), total_steps: 2, group_size: 1 };
    const scores = (found: Record<string, unknown>[]) =>
      Object.fromEntries(found.map(({ item_id, scores }) => [item_id, scores]));
    expect(scores((await run({ env })).lines("groups.jsonl"))).toEqual({ one: [0], two: [0] });
    const partial = await run({ env: { ...env, partial_credit: 0.25 } });
    expect(scores(partial.lines("groups.jsonl"))).toEqual({ one: [0], two: [0.25] });
  });

  test("a rollout that calls no tool needs no sandbox", async () => {
    server.script = () => says("I would rather not.");
    const { code, lines } = await run({
      env: { dataset_name: dataset(TASKS), total_steps: 1, group_size: 1, terminal_backend: "none-such" },
    });
    expect(code).toBe(0);
    expect(lines("groups.jsonl")[0]).toMatchObject({ scores: [0] });
  });
});

describe("evaluation", () => {
  test("runs the whole loop on held-out tasks at temperature 0", async () => {
    server.script = (request) =>
      answered(request) ? says("done") : calls(call("c1", "terminal", { command: "echo 42 > ~/result.txt" }));
    const { code, text, lines, output } = await run({ mode: "evaluate", env: { eval_size: 4 } });
    expect(code).toBe(0);
    const { all } = JSON.parse(text("metrics.json")).results;
    expect(all).toMatchObject({ "eval/n": 4, "eval/infra_error_rate": 0 });
    expect(all["eval/pass_rate"]).toBeGreaterThanOrEqual(0.25);
    const sample = lines("samples.jsonl").find(({ item_id }) => item_id === "reference-result");
    expect(sample).toMatchObject({ reward: 1, turns_used: 2 });
    // Rows for training are made of it: it says what the model saw.
    expect(sample?.tools).toEqual(server.requests[0]!.body.tools);
    expect(server.requests.every(({ body }) => body.temperature === 0)).toBe(true);
    expect(output).toContain("pass_rate");
  });

  test("a data set replaces the built-in tasks", async () => {
    server.script = () => says("no");
    const { lines } = await run({ mode: "evaluate", env: { dataset_name: dataset(TASKS) } });
    expect(
      lines("samples.jsonl")
        .map(({ item_id }) => item_id)
        .sort(),
    ).toEqual(["one", "two"]);
  });
});

test("what is evaluated is processed last, and each row once before any comes again", async () => {
  server.script = () => says("no");
  const rows = Array.from({ length: 7 }, (_, index) => ({ ...TASKS[0]!, id: `r${index}` }));
  const env = { dataset_name: dataset(rows), eval_size: 3, group_size: 1 };
  const ids = async (total_steps: number) =>
    (await run({ env: { ...env, total_steps } }))
      .lines("journal.jsonl")
      .flatMap((line) => (line.type === "group" ? [String(line.group_id)] : []));
  expect((await ids(4)).sort()).toEqual(["r3", "r4", "r5", "r6"]);
  expect((await ids(7)).sort()).toEqual(["r0", "r1", "r2", "r3", "r4", "r5", "r6"]);
  expect((await ids(8)).filter((id) => id.includes("~"))).toEqual(["r3~2"]);
});

test("a row without a field is said with its place", async () => {
  const path = dataset([TASKS[0]!, { prompt: "x", verify_path: "y" }]);
  await expect(run({ env: { dataset_name: path } })).rejects.toThrow(/tasks\.jsonl:2.*expected_content/);
});

test("built-in tasks begin with those that people know and are the same in every process", async () => {
  server.script = () => says("no");
  const ids = async () =>
    (await run({ env: { total_steps: 6, group_size: 1 } }))
      .lines("groups.jsonl")
      .map(({ item_id }) => String(item_id))
      .sort();
  const first = await ids();
  expect(first).toEqual(expect.arrayContaining(["reference-greeting", "reference-count", "reference-answer"]));
  expect(await ids()).toEqual(first);
});

test("default.yaml names fields that exist", async () => {
  const { parse } = await import("yaml");
  const { env } = parse(readFileSync(new URL("default.yaml", import.meta.url), "utf8"));
  expect(TerminalTestEnv.Config.partial().safeParse(env).error).toBeUndefined();
});
