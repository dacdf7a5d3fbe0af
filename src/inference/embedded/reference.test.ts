/**
 * The shipped weights against log-probabilities that the training script computed in float64 (models/tiny/train/reference.json),
 * and the shipped tokenizer and template against themselves.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { EmbeddedServer } from "./embedded-server.ts";
import { TINY_MODEL } from "./model.ts";

interface Reference {
  weights_sha256: string;
  sequences: {
    tokens: number[];
    logprobs: number[];
    top: { position: number; ids: number[]; logprobs: number[] }[];
  }[];
}

const TOLERANCE = 5e-5;
const reference: Reference = JSON.parse(readFileSync(join(TINY_MODEL, "train/reference.json"), "utf8"));
const server = await EmbeddedServer.open();
afterAll(() => server.close());

describe("the shipped weights", () => {
  it("are those that the reference was made with", () => {
    const weights = readFileSync(join(TINY_MODEL, "model.safetensors"));
    expect(createHash("sha256").update(weights).digest("hex")).toBe(reference.weights_sha256);
    expect(weights.length).toBeLessThan(2 * 1024 * 1024);
  });

  it("give the float64 log-probabilities, of the tokens and of the likeliest ones", async () => {
    let compared = 0;
    for (const { tokens, logprobs, top } of reference.sequences) {
      const scored = await server.promptLogprobs(tokens, 3);
      logprobs.forEach((expected, at) => {
        expect(Math.abs(scored.prompt_logprobs[at + 1]! - expected)).toBeLessThan(TOLERANCE);
        compared++;
      });
      for (const { position, ids, logprobs: likely } of top) {
        expect(scored.prompt_topk_token_ids[position]).toEqual(ids);
        likely.forEach((expected, k) => {
          expect(Math.abs(scored.prompt_topk_logprobs[position]![k]! - expected)).toBeLessThan(TOLERANCE);
        });
      }
    }
    expect(compared).toBeGreaterThan(1500);
  });
});

describe("the shipped tokenizer", () => {
  const { tokenizer } = server;

  it("gives every text back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 40 }), (points) => {
        const whole = String.fromCodePoint(...points).toWellFormed();
        expect(tokenizer.decode(tokenizer.encode(whole))).toBe(whole);
      }),
    );
    const call =
      '<tool_call>\n{"name": "terminal", "arguments": {"command": "printf \'%s\\\\n\' \'C:\\\\temp 日本\'"}}\n</tool_call>';
    expect(tokenizer.decode(tokenizer.encode(call), { skipSpecialTokens: true })).toBe(call);
  });

  it("gives a word the same ids after a space, a quote, a slash and a backslash's letter", () => {
    const ids = (text: string) => tokenizer.encode(text);
    for (const word of ["puzzle", "Agent", "zq7", "emp"]) {
      for (const before of [" ", '"', "/", "\\t", '": "']) {
        expect(ids(before + word).slice(ids(before).length)).toEqual(ids(word));
      }
    }
  });

  it("keeps the first prompt short whatever the toolset", () => {
    const tool = (name: string, parameters: string[]) => ({
      type: "function" as const,
      function: {
        name,
        description: "A long description. ".repeat(50),
        parameters: {
          type: "object",
          properties: Object.fromEntries(parameters.map((parameter) => [parameter, { type: "string" }])),
          required: parameters.slice(-1),
        },
      },
    });
    const names = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    const few = names.map((name) => tool(`tool_${name}`, ["first", "second", "third", "fourth"]));
    const messages = [{ role: "user" as const, content: "Create a file at ~/x.txt containing exactly the text: x" }];
    expect(server.chatTokens({ messages, tools: few }).length).toBeLessThan(400);
    const many = [..."abcdefghijklmnopqrstuvwxyzABCDEF"].map((name) => tool(`browser_${name}`, names));
    expect(server.chatTokens({ messages, tools: many }).length).toBeLessThan(400);
    const text = tokenizer.renderChat(messages, { tools: few.slice(0, 1), addGenerationPrompt: true });
    expect(text).toBe(
      "<|im_start|>system\nTools: tool_one(fourth,first,second,third)<|im_end|>\n" +
        "<|im_start|>user\nCreate a file at ~/x.txt containing exactly the text: x<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("renders an answered call as it was sampled", async () => {
    const call = { name: "write_file", arguments: '{"path": "a", "content": "b"}' };
    const text = tokenizer.renderChat([
      { role: "user", content: "x" },
      { role: "assistant", content: null, tool_calls: [{ id: "1", type: "function", function: call }] },
      { role: "tool", tool_call_id: "1", content: '{"bytes_written":1}' },
    ]);
    expect(text).toBe(
      "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n<tool_call>\n" +
        '{"name": "write_file", "arguments": {"path": "a", "content": "b"}}\n</tool_call><|im_end|>\n' +
        '<|im_start|>user\n<tool_response>\n{"bytes_written":1}\n</tool_response><|im_end|>\n',
    );
  });
});
