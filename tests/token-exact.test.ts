/** Whatever agents, templates and clients do: what is trained is what was sampled, once, as it was sent and returned. */
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, describe, expect, it, test } from "vitest";
import { type ChatMessage, noUsage, type ToolSchema } from "../src/core/index.ts";
import type { TokenRequest, TokenServer } from "../src/inference/index.ts";
import { type ChatTokenizer, Session } from "../src/inference/sessions/index.ts";
import { loadTokenizer, MASKED, MASKED_LOGPROB, type Tokenizer } from "../src/tokens/index.ts";
import { HABITS, type Habit } from "./support/chat-habits.ts";

let tiny: Tokenizer;

beforeAll(async () => {
  tiny = await loadTokenizer(fileURLToPath(new URL("../models/tiny", import.meta.url)));
});

/** The embedded model's tokenizer with another template; counts the characters that it tokenizes. */
class HabitTokenizer implements ChatTokenizer {
  readonly #template: string;
  encoded = 0;
  constructor(habit: Habit) {
    this.#template = HABITS[habit];
  }
  encode: ChatTokenizer["encode"] = (text, options) => {
    this.encoded += text.length;
    return tiny.encode(text, options);
  };
  decode: ChatTokenizer["decode"] = (ids, options) => tiny.decode(ids, options);
  renderChat: ChatTokenizer["renderChat"] = (messages, options) =>
    tiny.renderChat(messages, { ...options, template: this.#template });
  isSpecial: ChatTokenizer["isSpecial"] = (id) => tiny.isSpecial(id);
  get eosTokenIds() {
    return tiny.eosTokenIds;
  }
  get bosTokenId() {
    return tiny.bosTokenId;
  }
}

/** "Samples" the texts that it is given, and keeps what each call sent and returned. */
class Sampler implements TokenServer {
  readonly calls: { sent: readonly number[]; returned: number[]; logprobs: number[] }[] = [];
  next: { text: string; stops: boolean }[] = [];
  /** Ids are other than the tokenizer would give: a model need not sample the shortest tokens. */
  readonly #split = new Set([" ", "e", "a"]);

  async generate(request: TokenRequest) {
    const completions = this.next.splice(0).map(({ text, stops }) => {
      const returned = this.#sampled(text, stops);
      const logprobs = returned.map((_, index) => -(index + 1) / (this.calls.length + 3));
      this.calls.push({ sent: [...request.prompt_token_ids], returned, logprobs });
      return {
        tokens: returned,
        logprobs,
        finish_reason: stops ? "stop" : "length",
        weight_version: this.calls.length,
      };
    });
    return { completions, usage: noUsage(), latencyMs: 1, attempts: 1, server: 0 };
  }

  promptLogprobs = () => Promise.reject(new Error("not asked"));

  #sampled(text: string, stops: boolean): number[] {
    const at = [...text].findIndex((letter) => this.#split.has(letter)) + 1;
    const parts = [text.slice(0, at), text.slice(at)].flatMap((part) => tiny.encode(part, { addSpecialTokens: false }));
    return stops ? [...parts, tiny.eosTokenId!] : parts;
  }
}

const tools: ToolSchema[] = [
  { type: "function", function: { name: "f", description: "", parameters: { type: "object", properties: {} } } },
];

interface Answer {
  content: string;
  reasoning: string;
  calls: number;
  broken: boolean;
  stops: boolean;
}

function textOf({ content, reasoning, calls, broken }: Answer, opened: boolean): string {
  const thinking = opened ? `${reasoning}</think>` : reasoning ? `<think>${reasoning}</think>` : "";
  // Compact JSON with spaces where no template prints them; now and then none at all.
  const body = broken ? '{"name":"f","argu' : '{"name":"f",  "arguments":{"x":1.0,"y":"é"}}';
  return `${thinking}${content}${`<tool_call>\n${body}</tool_call>`.repeat(calls)}`;
}

class Rollout {
  readonly sampler = new Sampler();
  readonly tokenizer: HabitTokenizer;
  readonly session: Session;
  readonly #habit: Habit;
  constructor(habit: Habit) {
    this.#habit = habit;
    this.tokenizer = new HabitTokenizer(habit);
    this.session = new Session({ server: this.sampler, tokenizer: this.tokenizer, model: "x" });
  }

  async ask(messages: ChatMessage[], ...answers: Answer[]): Promise<ChatMessage[]> {
    const opened = this.#habit === "opens thinking in the prompt";
    this.sampler.next = answers.map((answer) => ({ text: textOf(answer, opened), stops: answer.stops }));
    const { choices } = await this.session.chatCompletion({ messages, tools, n: answers.length });
    return choices.map((choice) => choice.message);
  }

  /** Every call is one path, and every sampled token is trained once with its own log-probability. */
  check(): void {
    const { calls } = this.sampler;
    const graph = this.session.graph;
    const sampled = graph.nodes.filter((node) => node.kind === "sampled");
    expect(sampled).toHaveLength(calls.length);
    for (const [place, node] of sampled.entries()) {
      expect(graph.pathTokens(node)).toEqual([...calls[place]!.sent, ...calls[place]!.returned]);
      expect(node).toMatchObject({ logprobs: calls[place]!.logprobs, weightVersion: place + 1 });
    }
    const trained = new Map<number, number>();
    for (const { tokens, masks, inference_logprobs: logprobs, nodes } of this.session.sequences()) {
      expect([masks.length, logprobs!.length]).toEqual([tokens.length, tokens.length]);
      let at = 0;
      for (const id of nodes) {
        const node = graph.node(id);
        const part = masks.slice(at, at + node.tokens.length);
        const own = node.kind === "sampled" && part[0] !== MASKED && part.length > 0;
        if (own) trained.set(id, (trained.get(id) ?? 0) + 1);
        expect(part).toEqual(own ? node.tokens : node.tokens.map(() => MASKED));
        expect(logprobs!.slice(at, at + part.length)).toEqual(
          own ? node.logprobs : node.tokens.map(() => MASKED_LOGPROB),
        );
        at += part.length;
      }
      expect(at).toBe(tokens.length);
    }
    const full = sampled.filter((node) => node.tokens.length > 0);
    expect([...trained.entries()].sort(([a], [b]) => a - b)).toEqual(full.map((node) => [node.id, 1]));
  }
}

const word = fc.stringMatching(/^[a-z é{"]{0,10}$/);
const answer: fc.Arbitrary<Answer> = fc.record({
  content: word,
  reasoning: fc.stringMatching(/^[a-z]{0,6}$/),
  calls: fc.nat(2),
  broken: fc.constantFrom(false, false, false, true),
  stops: fc.constantFrom(true, true, true, false),
});
const move = fc.constantFrom(
  "go on",
  "go on",
  "go on",
  "as a client",
  "edit",
  "compact",
  "sub-agent",
  "retry",
  "twice",
);
const habit = fc.constantFrom(...(Object.keys(HABITS) as Habit[]));

/** The answer as an OpenAI client sends it back: without reasoning, with ids of its own and arguments printed anew. */
function clientCopy(message: ChatMessage): ChatMessage {
  const { reasoning_content: _, ...copy } = structuredClone(message);
  for (const [index, call] of (copy.tool_calls ?? []).entries()) {
    call.id = `client${index}`;
    call.function.arguments = JSON.stringify(JSON.parse(call.function.arguments));
  }
  return copy;
}

async function walk(rollout: Rollout, steps: readonly { answer: Answer; move: string; reply: string }[]) {
  let messages: ChatMessage[] = [{ role: "user", content: "start" }];
  for (const { answer, move, reply } of steps) {
    const made = await rollout.ask(messages, ...(move === "twice" ? [answer, { ...answer, calls: 0 }] : [answer]));
    if (move === "retry") rollout.session.render({ messages, tools });
    if (move === "sub-agent") {
      const asked: ChatMessage[] = [{ role: "user", content: `sub ${reply}` }];
      const [own] = await rollout.ask(asked, answer);
      await rollout.ask([...asked, own!, { role: "user", content: "more" }], answer);
    }
    let back = made[0]!;
    if (move === "as a client") back = clientCopy(back);
    if (move === "edit") back = { ...back, content: `${back.content} edited` };
    messages = [...messages, back];
    for (const call of back.tool_calls ?? [])
      messages.push({ role: "tool", tool_call_id: call.id, name: "f", content: reply });
    if (!back.tool_calls) messages.push({ role: "user", content: reply });
    if (move === "compact") messages = [messages[0]!, { role: "user", content: `so far: ${reply}` }];
  }
}

describe("a rollout's tokens", () => {
  const steps = fc.array(fc.record({ answer, move, reply: word }), { minLength: 1, maxLength: 6 });

  it("are trained once and aligned, for random conversations over templates of every habit", async () => {
    await fc.assert(
      fc.asyncProperty(habit, steps, async (kind, moves) => {
        const rollout = new Rollout(kind);
        await walk(rollout, moves);
        rollout.check();
      }),
      { numRuns: 120 },
    );
  });

  it("stay apart when rollouts run side by side", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(habit, steps), { minLength: 2, maxLength: 4 }), async (plans) => {
        const rollouts = plans.map(([kind, moves]) => ({ rollout: new Rollout(kind), moves }));
        await Promise.all(rollouts.map(({ rollout, moves }) => walk(rollout, moves)));
        for (const { rollout } of rollouts) rollout.check();
      }),
      { numRuns: 15 },
    );
  });

  const plain: Answer = { content: "I look.", reasoning: "", calls: 1, broken: false, stops: true };
  const rewriting: Habit[] = ["drops the content beside calls"];

  test.each(Object.keys(HABITS) as Habit[])("one sequence, and cost by what is new: %s", async (kind) => {
    const rollout = new Rollout(kind);
    const messages: ChatMessage[] = [{ role: "user", content: "start" }];
    const costs: number[] = [];
    for (let turn = 0; turn < 30; turn++) {
      const before = rollout.tokenizer.encoded;
      const [made] = await rollout.ask(messages, { ...plain, calls: turn % 2 });
      costs.push(rollout.tokenizer.encoded - before);
      messages.push(made!);
      if (made!.tool_calls)
        messages.push({ role: "tool", tool_call_id: made!.tool_calls[0]!.id, name: "f", content: "r" });
      else messages.push({ role: "user", content: "go on" });
    }
    rollout.check();
    if (rewriting.includes(kind)) {
      expect(rollout.session.drift().branches.template_rewrote).toBeGreaterThan(0);
      return;
    }
    expect(rollout.session.sequences()).toHaveLength(1);
    expect(rollout.session.drift()).toMatchObject({ calls: 30, extended: 29, branch_rate: 0 });
    // The last turns cost what the first ones did, though the history is ten times as long.
    expect(Math.max(...costs.slice(20))).toBeLessThanOrEqual(Math.max(...costs.slice(1, 5)));
    // And what the model read is the template's own text around each answer as it was sampled.
    const text = tiny.decode(rollout.session.sequences()[0]!.tokens);
    expect(text.split('<tool_call>\n{"name":"f",  "arguments"')).toHaveLength(16);
    expect(text.split("<|im_end|>")).toHaveLength(text.split("<|im_start|>").length);
  });
});
