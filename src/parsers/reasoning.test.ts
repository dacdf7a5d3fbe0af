import { describe, expect, it } from "vitest";
import { getReasoningParser } from "./index.ts";

const split = (name: string, text: string, templateKwargs?: Record<string, unknown>) => {
  const { reasoning, content } = getReasoningParser(name).parse(text, { templateKwargs });
  return [reasoning, content];
};

describe("reasoning", () => {
  it("of the plain rule ends at the first closing tag; without one all of it is reasoning", () => {
    expect(split("deepseek_r1", "<think>Why?</think>So.")).toEqual(["Why?", "So."]);
    expect(split("deepseek_r1", "Why?</think>So.</think>")).toEqual(["Why?", "So.</think>"]);
    expect(split("deepseek_r1", "Why")).toEqual(["Why", null]);
    expect(getReasoningParser("deepseek_r1").parse("Hm. <think>Why?</think>So.")).toEqual({
      reasoning: "Why?",
      content: "So.",
      rest: "Hm. ",
    });
  });

  it("of the state machine ends at a tool call, and is off where the template said so", () => {
    expect(split("qwen3", "Why?\n<tool_call>\n{}</tool_call>")).toEqual(["Why?\n", "<tool_call>\n{}</tool_call>"]);
    expect(split("qwen3", "<think>a</think>b<think>c</think>d")).toEqual(["a", "b<think>cd"]);
    expect(split("glm45", "<think>a\n</think>b<think>c</think>d")).toEqual(["a\nc", "bd"]);
    expect(split("glm45", "So.", { enable_thinking: false })).toEqual([null, "So."]);
    expect(split("mistral", "So. [THINK]Why?[/THINK]Then.")).toEqual(["Why?", "So. Then."]);
    expect(split("gemma4", "<|channel>thought\nWhy?<channel|>So.")).toEqual(["Why?", "So."]);
  });

  it("of families that may or may not think is found by its tags", () => {
    expect(split("hermes", "So.")).toEqual([null, "So."]);
    expect(split("hermes", "<think>Why?</think>So.")).toEqual(["Why?", "So."]);
    expect(split("deepseek_v3", "So.")).toEqual([null, "So."]);
    expect(split("deepseek_v3", "Why", { thinking: true })).toEqual(["Why", null]);
    expect(split("hy_v3", "Why", { reasoning_effort: "high" })).toEqual(["Why", null]);
    expect(split("nemotron_v3", "So.", { force_nonempty_content: true })).toEqual([null, "So."]);
  });

  it("of families with words, channels and blocks of their own", () => {
    expect(split("granite", "Here's my thought process: a Here is my response: b")).toEqual([" a ", " b"]);
    expect(split("hunyuan_a13b", "<think>\na\n</think>\n<answer>\nb\n</answer>")).toEqual(["a", "b"]);
    expect(
      split("openai", "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b"),
    ).toEqual(["a", "b"]);
    expect(split("kimi_k3", "<|open|>think<|sep|>a<|close|>think<|sep|><|open|>response<|sep|>b")).toEqual(["a", "b"]);
    expect(split("minimax_m3", "a</mm:think>b", { thinking_mode: "enabled" })).toEqual(["a", "b"]);
    expect(
      split(
        "cohere_command",
        "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<co>c</co: 0:[1]><|END_RESPONSE|>",
      ),
    ).toEqual(["a", "bc"]);
    expect(split("minimax_m2_append_think", "a</think>b")).toEqual([null, "<think>a</think>b"]);
    expect(split("step3", "<think>a</think>b")).toEqual(["<think>a", "b"]);
    expect(split("step3p5", "<think>a\n</think>\nb")).toEqual(["a", "b"]);
    expect(split("olmo3", "So.")).toEqual([null, "So."]);
    expect(split("kimi", "\u25c1think\u25b7a\u25c1/think\u25b7b")).toEqual(["a", "b"]);
  });
});
