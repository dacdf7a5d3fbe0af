/** Agent programs in real sandboxes, from the run's command to its files; the model's words are scripted, its tokens real. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import HarnessExample from "../../examples/harness/env.ts";
import { type RunSettings, runEnvironment } from "../../tests/support/run-environment.ts";
import { LachesisError, noUsage } from "../core/index.ts";
import { registerServerType, type TokenRequest } from "../inference/index.ts";
import { createSandbox } from "../sandbox/index.ts";
import { probeLocal } from "../sandbox/local/probe.ts";
import { loadTokenizer, MASKED, type Tokenizer } from "../tokens/index.ts";
import type { Rollout } from "./rollout.ts";

const TINY = fileURLToPath(new URL("../../models/tiny", import.meta.url));
const NODE = `"${process.execPath}"`;

let works = false;
let tokenizer: Tokenizer;
let forbidden: Server;
/** Says what the model answers to a prompt. */
let model: (prompt: string) => string;
const requests: TokenRequest[] = [];

beforeAll(async () => {
  const probe = await probeLocal();
  works = probe.works;
  if (!probe.works) process.stderr.write(`harness: skipped, no sandbox can be made here: ${probe.reason}\n`);
  tokenizer = await loadTokenizer(TINY);
  forbidden = createServer((_request, response) => response.end("reached"));
  await new Promise<void>((resolve) => forbidden.listen(0, "127.0.0.1", resolve));
  registerServerType("vllm", async () => ({
    async generate(request) {
      requests.push(request);
      const text = model(tokenizer.decode(request.prompt_token_ids, { skipSpecialTokens: false }));
      const tokens = [...tokenizer.encode(text, { addSpecialTokens: false }), tokenizer.eosTokenId!];
      const usage = { ...noUsage(), prompt_tokens: request.prompt_token_ids.length, completion_tokens: tokens.length };
      usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
      const logprobs = tokens.map((_, at) => -at / 100);
      return { completions: [{ tokens, logprobs, finish_reason: "stop", weight_version: 7 }], usage };
    },
    probe: async () => undefined,
    close: async () => undefined,
  }));
});
afterAll(() => forbidden.close());
beforeEach(() => {
  requests.length = 0;
  model = writesTheWord;
});

/** Writes what was asked for, by one call, then says so. Compact JSON, as no template prints it. */
function writesTheWord(prompt: string): string {
  if (prompt.includes("bytes_written")) return "Done.";
  const word = /content "(\w+)"/.exec(prompt)![1];
  return `<tool_call>\n{"name":"write_file","arguments":{"path":"note.txt","content":"${word}"}}\n</tool_call>`;
}

async function run(env: Record<string, unknown>, settings: Partial<RunSettings> = {}) {
  const ran = await runEnvironment(HarnessExample, {
    openai: { server_type: "vllm", base_url: "http://127.0.0.1:9/v1", model_name: "m", tokenizer_name: TINY },
    env: { total_steps: 1, group_size: 2, max_error_rate: 1, ...env },
    ...settings,
  });
  const rollouts = ran.lines("journal.jsonl").filter(({ type }) => type === "rollout");
  return { ran, rollouts, text: JSON.stringify(rollouts) };
}

describe.skipIf(process.platform !== "linux")("harness: command", () => {
  it("captures a program's calls token by token, and scores what it left in its sandbox", async (test) => {
    if (!works) return test.skip();
    const { ran, rollouts } = await run({});
    expect(ran.code).toBe(0);
    for (const rollout of rollouts) {
      expect(rollout).toMatchObject({
        outcome: { kind: "scored", reward: 1 },
        stop_reason: "completed",
        turns_used: 2,
      });
    }
    const group = ran.lines("groups.jsonl")[0] as {
      tokens: number[][];
      masks: number[][];
      inference_logprobs: number[][];
    };
    expect(group.tokens).toHaveLength(2);
    for (const [at, tokens] of group.tokens.entries()) {
      const trained = group.masks[at]!.filter((mask) => mask !== MASKED);
      const said = tokenizer.decode(trained, { skipSpecialTokens: false });
      expect(said).toMatch(/^<tool_call>\n\{"name":"write_file".*<\/tool_call><\|im_end\|>Done\.<\|im_end\|>$/s);
      expect(group.inference_logprobs[at]).toHaveLength(tokens.length);
    }
    // Each rollout's last prompt and answer are its sequence: what was sent is what is trained.
    const longest = requests.map(({ prompt_token_ids }) => JSON.stringify(prompt_token_ids).slice(0, -1));
    for (const tokens of group.tokens) {
      expect(longest.filter((sent) => JSON.stringify(tokens).startsWith(sent)).length).toBeGreaterThanOrEqual(2);
    }
    expect(new Set(requests.map(({ seed }) => seed)).size).toBe(4);
  });

  it("evaluates, too", async (test) => {
    if (!works) return test.skip();
    class Evaluated extends HarnessExample {
      override async setup() {
        this.evalItems = [{ id: "apple", word: "apple" }];
      }
    }
    const ran = await runEnvironment(Evaluated, {
      mode: "evaluate",
      openai: { server_type: "vllm", base_url: "http://127.0.0.1:9/v1", model_name: "m", tokenizer_name: TINY },
    });
    expect(ran.code).toBe(0);
    expect(ran.output).toMatch(/1\.000|100/);
  });

  it("reaches its own session with its own key, and nothing else", async (test) => {
    if (!works) return test.skip();
    const { port } = forbidden.address() as AddressInfo;
    const probe = `
      const url = process.env.OPENAI_BASE_URL, key = process.env.OPENAI_API_KEY, root = new URL("/", url).href;
      const ask = (to, init) => fetch(to, init).then((r) => r.status, (e) => e.cause?.code ?? String(e));
      const body = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
      console.log("host", await ask("http://127.0.0.1:${port}/"), "out", await ask("http://192.0.2.1/"));
      console.log("list", await ask(root + "sessions"), "create", await ask(root + "sessions/create", body));
      console.log("keyless", await ask(url + "/models"), "mine", await ask(url + "/models", { headers: { "x-api-key": key } }));`;
    const program = `${NODE} --input-type=module -e '${probe}' && ${NODE} /tmp/agent.mjs`;
    const { ran } = await run({ harness_command: program, group_size: 1 });
    const found = ran.text("rollouts.jsonl");
    expect(found).toContain("host ECONNREFUSED out ENETUNREACH");
    expect(found).toContain("list 404 create 404");
    expect(found).toContain("keyless 401 mine 200");
    for (const file of ["rollouts.jsonl", "groups.jsonl", "journal.jsonl"])
      expect(ran.text(file)).not.toContain("lsk-");
  });

  it("ends at its budgets, and the work done until then is scored", async (test) => {
    if (!works) return test.skip();
    const turns = await run({ max_agent_turns: 1 });
    expect(turns.rollouts[0]).toMatchObject({
      outcome: { kind: "scored", reward: 1 },
      stop_reason: "max_turns",
      turns_used: 1,
    });
    const time = await run({ time_budget_s: 3, harness_command: `${NODE} /tmp/agent.mjs; sleep 60`, group_size: 1 });
    expect(time.rollouts[0]).toMatchObject({ outcome: { kind: "scored", reward: 1 }, stop_reason: "time_budget" });
  });

  it("never takes a program that did not work for a reward of 0", async (test) => {
    if (!works) return test.skip();
    const silent = await run({ harness_command: "echo nothing to do; exit 3", group_size: 1 });
    expect(silent.rollouts[0]).toMatchObject({ outcome: { kind: "unscored", reason: "no_model_call" } });
    expect(silent.text).toContain("exit code 3 without one call to the model. Its output: nothing to do");
    const missing = await run({ harness_command: "no-such-agent", group_size: 1 });
    expect(missing.rollouts[0]).toMatchObject({ outcome: { kind: "aborted", error: { code: "not_found" } } });
    model = () => {
      throw new LachesisError("bad_request", "The inference server refuses.");
    };
    const refused = await run({ group_size: 1 });
    expect(refused.rollouts[0]).toMatchObject({ outcome: { kind: "aborted", error: { code: "bad_request" } } });
  });

  it("scores a program that fails after it has asked, with its exit code", async (test) => {
    if (!works) return test.skip();
    const { ran, rollouts } = await run({ harness_command: `${NODE} /tmp/agent.mjs; exit 9`, group_size: 1 });
    expect(rollouts[0]).toMatchObject({ outcome: { kind: "scored", reward: 1 }, turns_used: 2 });
    expect(ran.text("rollouts.jsonl")).toContain('"exit_code":9');
  });

  it("also runs as a plain process, where no sandbox can be made", async () => {
    class Plain extends HarnessExample {
      protected override createSandbox(_item: unknown, { id, sockets = {} }: Rollout, signal: AbortSignal) {
        return createSandbox({ backend: "plain", label: id, signal, sockets });
      }
      override async setupTrajectoryWorkspace() {
        return undefined;
      }
    }
    const agent = fileURLToPath(new URL("../../examples/harness/agent.mjs", import.meta.url));
    const ran = await runEnvironment(Plain, {
      openai: { server_type: "vllm", base_url: "http://127.0.0.1:9/v1", model_name: "m", tokenizer_name: TINY },
      env: { total_steps: 1, group_size: 2, harness_command: `${NODE} "${agent}"` },
    });
    const rollouts = ran.lines("journal.jsonl").filter(({ type }) => type === "rollout");
    expect(rollouts).toMatchObject([{ outcome: { reward: 1 } }, { outcome: { reward: 1 } }]);
  });
});
