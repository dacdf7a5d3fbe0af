/**
 * Inference servers that fail in every way they know, all in one run: each rollout ends with the right outcome and stop
 * reason, nothing of the infrastructure's failures becomes a reward of 0, nobody is held up by the others, and nothing
 * that a strict server would refuse is sent back to it.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { AgentEnv, defineTool } from "../src/index.ts";
import {
  CONTEXT_OVERFLOWS,
  call,
  calls,
  type OpenAIServer,
  type ReceivedRequest,
  type Reply,
  refuses,
  says,
  startOpenAIServer,
} from "./support/openai-server.ts";
import { type RanEnvironment, runEnvironment } from "./support/run-environment.ts";

interface Message {
  role: string;
  content: unknown;
  tool_calls?: { id: unknown; type: unknown; function: { name: unknown; arguments: unknown } }[];
  tool_call_id?: unknown;
}

const messagesOf = (request: ReceivedRequest) => request.body.messages as Message[];
const turnOf = (request: ReceivedRequest) => messagesOf(request).filter(({ role }) => role === "assistant").length;
const noop = (id: unknown, args: unknown = { step: 1 }) => call(id as string, "noop", args);
const rawCall = (id: unknown, args: unknown) => ({ id, type: "function", function: { name: "noop", arguments: args } });
/** A call in the first turn, then an answer. */
const once =
  (...toolCalls: unknown[]) =>
  (turn: number): Reply =>
    turn === 0 ? calls(...toolCalls) : says("done");

interface Case {
  reply: (turn: number, asked: number) => Reply;
  outcome: string;
  stop: string | null;
  turns?: number;
  toolErrors?: number;
}

const refused: Omit<Case, "reply" | "outcome"> = { stop: "model_error", turns: 1 };

const CASES: Record<string, Case> = {
  fine: { reply: once(noop("a")), outcome: "scored 1", stop: "completed", turns: 2 },
  busy: {
    reply: (turn, asked) =>
      asked === 0 ? refuses(429, "slow down", { headers: { "retry-after": "0" } }) : once(noop("a"))(turn),
    outcome: "scored 1",
    stop: "completed",
  },
  "always 500": { reply: () => refuses(500, "broken"), outcome: "aborted server_error", ...refused },
  "500 later": {
    reply: (turn) => (turn === 0 ? calls(noop("a")) : refuses(500, "broken")),
    outcome: "aborted server_error",
    stop: "model_error",
    turns: 2,
  },
  stalled: { reply: () => ({ kind: "stall" }), outcome: "aborted timeout", ...refused },
  "stalled in the body": {
    reply: () => ({ kind: "stall", afterHeaders: true }),
    outcome: "aborted timeout",
    ...refused,
  },
  cut: { reply: () => ({ kind: "cut" }), outcome: "aborted connection", ...refused },
  "cut in the body": { reply: () => ({ kind: "cut", inBody: true }), outcome: "aborted connection", ...refused },
  "no JSON": { reply: () => ({ kind: "text", body: "<html>" }), outcome: "aborted malformed_response", ...refused },
  "no choices": {
    reply: () => ({ kind: "json", body: { choices: [] } }),
    outcome: "aborted empty_response",
    ...refused,
  },
  "bad request": {
    reply: () => refuses(400, "the messages are not to my taste"),
    outcome: "aborted bad_request",
    ...refused,
  },
  "null arguments": {
    reply: once(rawCall("a", null)),
    outcome: "scored 1",
    stop: "completed",
    toolErrors: 1,
  },
  "arguments that are an object": { reply: once(rawCall("a", { step: 1 })), outcome: "scored 1", stop: "completed" },
  "broken arguments": { reply: once(rawCall("a", '{"step":')), outcome: "scored 1", stop: "completed", toolErrors: 1 },
  "unknown tool": { reply: once(call("a", "nope", {})), outcome: "scored 1", stop: "completed", toolErrors: 1 },
  "double ids": {
    reply: once(noop("x"), noop("x"), noop(undefined), noop("")),
    outcome: "scored 1",
    stop: "completed",
  },
  "big output": { reply: once(call("a", "big", {})), outcome: "scored 1", stop: "completed" },
  "failing tool": { reply: once(call("a", "broken", {})), outcome: "scored 1", stop: "completed", toolErrors: 1 },
  truncated: {
    reply: () => ({ kind: "chat", content: null, tool_calls: [noop("a", '{"st')], finish_reason: "length" }),
    outcome: "scored 1",
    stop: "max_tokens",
    turns: 1,
  },
  filtered: {
    reply: () => says("I", { finish_reason: "content_filter" }),
    outcome: "unscored content_filter",
    ...refused,
  },
  overflow: {
    reply: (turn) => (turn === 0 ? calls(noop("a")) : CONTEXT_OVERFLOWS.vllm!),
    outcome: "scored 1",
    stop: "context_overflow",
  },
  "the same call for ever": { reply: () => calls(noop("a")), outcome: "scored 1", stop: "tool_loop" },
  "calls for ever": {
    reply: (turn) => calls(noop("a", { step: turn })),
    outcome: "scored 1",
    stop: "max_turns",
    turns: 8,
  },
  "empty answer": { reply: () => says(""), outcome: "scored 1", stop: "completed", turns: 1 },
  "reward code that throws": { reply: () => says("x"), outcome: "unscored reward_error", stop: "completed" },
  "a reward that is NaN": { reply: () => says("x"), outcome: "unscored reward_error", stop: "completed" },
  "a reward that never comes": { reply: () => says("x"), outcome: "unscored reward_error", stop: "completed" },
};

class HostileEnv extends AgentEnv<typeof AgentEnv.Config, { id: string }> {
  static override name = "hostile";
  static override tools = [
    defineTool({
      name: "noop",
      description: "Does nothing.",
      toolset: "test",
      parameters: z.object({ step: z.number().optional() }),
      execute: async () => "{}",
    }),
    defineTool({
      name: "big",
      description: "Answers with 5 MB.",
      toolset: "test",
      parameters: z.object({}),
      execute: async () => `${"0123456789abcdef".repeat(64)}\n`.repeat(5 * 1024),
    }),
    defineTool({
      name: "broken",
      description: "Fails.",
      toolset: "test",
      parameters: z.object({}),
      execute: async () => {
        throw new Error("no");
      },
    }),
  ];
  static override configInit() {
    return {
      env: {
        enabled_toolsets: ["test"],
        max_agent_turns: 8,
        reward_timeout_s: 1,
        max_num_workers: 64,
        max_error_rate: 1,
      },
    };
  }
  #items = Object.keys(CASES);

  async getNextItem() {
    const id = this.#items.shift();
    return id === undefined ? null : { id };
  }
  formatPrompt(item: { id: string }) {
    return item.id;
  }
  async computeReward({ id }: { id: string }) {
    if (id === "reward code that throws") throw new TypeError("x is undefined");
    if (id === "a reward that is NaN") return Number.NaN;
    if (id === "a reward that never comes") await new Promise(() => {});
    return 1;
  }
}

const GROUP = 2;
const REQUEST_RETRIES = 1;
const ROLLOUT_RETRIES = 2;
let server: OpenAIServer;
let run: RanEnvironment;

beforeAll(async () => {
  const asked = new Map<string, number>();
  server = await startOpenAIServer((request) => {
    const id = String(messagesOf(request)[0]!.content);
    const before = asked.get(id) ?? 0;
    asked.set(id, before + 1);
    return CASES[id]!.reply(turnOf(request), before);
  });
  run = await runEnvironment(HostileEnv, {
    env: { group_size: GROUP, rollout_retries: ROLLOUT_RETRIES },
    openai: { base_url: server.baseUrl, model_name: "m", timeout: 6, max_retries: REQUEST_RETRIES },
  });
});
afterAll(() => server.stop());

interface Rollout {
  type: string;
  item_id: string;
  outcome: { kind: string; reward?: number; reason?: string; error?: { code: string } };
  stop_reason: string | null;
  turns_used: number;
  tool_errors: unknown[];
}
const rolloutsOf = (id: string) =>
  (run.lines("journal.jsonl") as unknown as Rollout[]).filter((line) => line.type === "rollout" && line.item_id === id);

test.each(Object.entries(CASES))("%s", (id, { outcome, stop, turns, toolErrors = 0 }) => {
  const rollouts = rolloutsOf(id);
  expect(rollouts).toHaveLength(GROUP);
  for (const rollout of rollouts) {
    const { kind, reward, reason, error } = rollout.outcome;
    expect(`${kind} ${kind === "scored" ? reward : kind === "unscored" ? reason : error?.code}`).toBe(outcome);
    expect(rollout.stop_reason).toBe(stop);
    if (turns !== undefined) expect(rollout.turns_used).toBe(turns);
    expect(rollout.tool_errors).toHaveLength(toolErrors);
  }
});

test("reward code that failed makes the exit code 1, and the table says why", () => {
  expect(run.code).toBe(1);
  expect(run.output).toMatch(/reward_error\s*\|\s*6 /);
  expect(run.output).toMatch(/aborted\s*\|\s*timeout\s*\|\s*4 /);
});

test("retries of requests and of rollouts do not multiply", () => {
  const sent = (id: string) => server.requests.filter((request) => messagesOf(request)[0]!.content === id).length;
  for (const id of ["always 500", "stalled", "cut", "no JSON", "no choices"]) {
    expect(sent(id), id).toBe(GROUP * (1 + REQUEST_RETRIES + ROLLOUT_RETRIES));
  }
  expect(sent("bad request")).toBe(GROUP);
});

test("nothing that a strict server would refuse was sent", () => {
  for (const request of server.requests) {
    const open = new Set<unknown>();
    const seen = new Set<unknown>();
    for (const message of messagesOf(request)) {
      if (message.role === "tool") {
        expect(open.delete(message.tool_call_id)).toBe(true);
        expect(typeof message.content).toBe("string");
        continue;
      }
      expect(open.size).toBe(0);
      for (const { id, type, function: called } of message.tool_calls ?? []) {
        expect(id).toMatch(/./);
        expect(seen.has(id)).toBe(false);
        seen.add(id);
        open.add(id);
        expect(type).toBe("function");
        expect(typeof called.arguments).toBe("string");
      }
    }
    expect(open.size).toBe(0);
    expect(JSON.stringify(request.body).length).toBeLessThan(250_000);
  }
});

test("groups hold only what was scored, and the report tells all", () => {
  for (const group of run.lines("groups.jsonl")) {
    expect((group.scores as number[]).every((score) => score === 1)).toBe(true);
    expect(CASES[String(group.item_id)]!.outcome).toBe("scored 1");
  }
  const filtered = run.lines("journal.jsonl").filter((line) => line.type === "group" && line.status === "filtered");
  expect(filtered.length).toBe(Object.values(CASES).filter(({ outcome }) => !outcome.startsWith("scored")).length);
  expect(run.text("report.html")).toContain("always 500");
});
