import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { type ChatMessage, noUsage, type ToolSchema } from "../../core/index.ts";
import { loadTokenizer, MASKED, type Tokenizer } from "../../tokens/index.ts";
import type { TokenRequest, TokenServer } from "../contract.ts";
import { renderedSequence } from "./rendered.ts";
import { Session } from "./session.ts";

const TINY = fileURLToPath(new URL("../../../models/tiny", import.meta.url));
let tokenizer: Tokenizer;

beforeAll(async () => {
  tokenizer = await loadTokenizer(TINY);
});

/** A token server that "samples" given texts; it keeps what it was sent. */
function sampling(...texts: { text: string; finish?: string; version?: number }[]) {
  const requests: TokenRequest[] = [];
  const server: TokenServer = {
    async generate(request) {
      const { text, finish = "stop", version = 1 } = texts[requests.length]!;
      requests.push(request);
      const tokens = tokenizer.encode(text, { addSpecialTokens: false });
      if (finish === "stop") tokens.push(tokenizer.eosTokenId!);
      const completion = { tokens, logprobs: tokens.map(() => -0.5), finish_reason: finish, weight_version: version };
      return { completions: [completion], usage: noUsage(), latencyMs: 1, attempts: 1, server: 0 };
    },
    promptLogprobs: () => Promise.reject(new Error("not asked")),
  };
  return { server, requests };
}

const tools: ToolSchema[] = [
  {
    type: "function",
    function: {
      name: "write_file",
      description: "Writes",
      parameters: { type: "object", properties: { path: { type: "string" }, content: { type: "string" } } },
    },
  },
];
/** Compact JSON, as a template would never print it. */
const call = '<tool_call>\n{"name":"write_file","arguments":{"path":"a","content":"b"}}\n</tool_call>';
const user: ChatMessage[] = [{ role: "user", content: "Write b to a." }];

describe("Session", () => {
  it("keeps a tool-using rollout in one sequence that holds exactly what was sent and sampled", async () => {
    const { server, requests } = sampling({ text: call, version: 3 }, { text: "Done.", version: 4 });
    const session = new Session({ server, tokenizer, model: "tiny" });
    const first = await session.chatCompletion({ messages: user, tools });
    const { message, finish_reason } = first.choices[0]!;
    expect(finish_reason).toBe("tool_calls");
    expect(message.tool_calls).toMatchObject([{ function: { name: "write_file" } }]);
    expect(JSON.parse(message.tool_calls![0]!.function.arguments)).toEqual({ path: "a", content: "b" });
    const result: ChatMessage = { role: "tool", tool_call_id: message.tool_calls![0]!.id, content: '{"ok": true}' };
    const history = [...user, message, result];
    expect(session.promptTokens({ messages: history, tools })).toBeGreaterThan(requests[0]!.prompt_token_ids.length);
    const second = await session.chatCompletion({ messages: history, tools });
    expect(second.choices[0]!.message.content).toBe("Done.");

    const [sequence, ...others] = session.sequences();
    expect(others).toEqual([]);
    const sampled = (text: string) => [...tokenizer.encode(text, { addSpecialTokens: false }), tokenizer.eosTokenId!];
    expect(sequence!.tokens).toEqual([...requests[1]!.prompt_token_ids, ...sampled("Done.")]);
    expect(requests[1]!.prompt_token_ids.slice(0, requests[0]!.prompt_token_ids.length)).toEqual(
      requests[0]!.prompt_token_ids,
    );
    expect(sequence!.masks.filter((mask) => mask !== MASKED)).toEqual([...sampled(call), ...sampled("Done.")]);
    expect(sequence!.weight_versions).toEqual([3, 4]);
    // The sampled text stands in the context as it was sampled, and the turn reads as the template would close it.
    const text = tokenizer.decode(sequence!.tokens);
    expect(text).toContain(call);
    expect(text.split("<|im_end|>")).toHaveLength(text.split("<|im_start|>").length);
    expect(session.drift()).toMatchObject({ calls: 2, extended: 1, branch_rate: 0 });
    expect(session.nodes()).toMatchObject([
      { full_text: text, metadata: { finish_reason: "stop", weight_version: 4 } },
    ]);
  });

  it("closes a truncated turn with prompt tokens, and never reports it as a natural end", async () => {
    const { server } = sampling({ text: "half", finish: "length" }, { text: "rest" });
    const session = new Session({ server, tokenizer, model: "tiny" });
    const cut = await session.chatCompletion({ messages: user });
    expect(cut.choices[0]!.finish_reason).toBe("length");
    await session.chatCompletion({ messages: [...user, cut.choices[0]!.message, { role: "user", content: "go on" }] });
    const [sequence] = session.sequences();
    const trained = sequence!.tokens.filter((_, position) => sequence!.masks[position] !== MASKED);
    expect(tokenizer.decode(trained)).toBe("halfrest<|im_end|>");
  });

  it("continues texts, and starts anew after reset", async () => {
    const { server, requests } = sampling({ text: " world" }, { text: "!" });
    const session = new Session({ server, tokenizer, model: "tiny" });
    const first = await session.completion({ prompt: "hello" });
    expect(first.choices[0]!.text).toBe(" world");
    await session.completion({ prompt: "hello world<|im_end|>and" });
    expect(requests[1]!.prompt_token_ids).toEqual([
      ...requests[0]!.prompt_token_ids,
      ...tokenizer.encode(" world<|im_end|>and", { addSpecialTokens: false }),
    ]);
    expect(session.sequences()).toHaveLength(1);
    session.reset();
    expect(session.sequences()).toEqual([]);
  });

  it("does not take calls for calls where no tools were offered", async () => {
    const { server } = sampling({ text: call });
    const answer = await new Session({ server, tokenizer, model: "tiny" }).chatCompletion({ messages: user });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: call } });
    expect(answer.choices[0]!.message.tool_calls).toBeUndefined();
  });
});

describe("renderedSequence", () => {
  it("unmasks the assistant's spans and gives no log-probabilities", () => {
    const messages: ChatMessage[] = [
      ...user,
      { role: "assistant", content: "Done." },
      { role: "user", content: "Thanks" },
    ];
    const sequence = renderedSequence(tokenizer, messages, { tools: null, finishReason: "stop" })!;
    const trained = sequence.tokens.filter((_, position) => sequence.masks[position] !== MASKED);
    expect(tokenizer.decode(trained)).toBe("Done.<|im_end|>");
    expect(tokenizer.decode(sequence.tokens)).toBe(tokenizer.renderChat(messages));
    expect(sequence.inference_logprobs).toBeNull();
  });
});
