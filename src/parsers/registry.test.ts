import { describe, expect, it } from "vitest";
import { LachesisError } from "../core/index.ts";
import {
  getParser,
  getReasoningParser,
  listParsers,
  listReasoningParsers,
  type ParseResult,
  registerParser,
} from "./index.ts";

function errorOf(work: () => unknown): LachesisError {
  try {
    work();
  } catch (error) {
    if (error instanceof LachesisError) return error;
  }
  throw new Error("No LachesisError was thrown.");
}

describe("the registry", () => {
  it("gives the nearest names for one that it does not know", () => {
    const error = errorOf(() => getParser("hermse"));
    expect(error.code).toBe("config_invalid");
    expect(error.message).toContain("hermes");
    expect(errorOf(() => getReasoningParser("deepseek_r2")).details.nearest).toContain("deepseek_r1");
  });

  it("knows the names of vLLM, SGLang and Hermes", () => {
    const names = [
      ["hermes", "qwen25", "llama4_json", "deepseek_v31", "deepseek_v32", "glm45", "granite-20b-fc", "kimi_k2"],
      ["deepseekv3", "deepseekv31", "gpt-oss", "minimax-m2", "llama3", "interns1", "apertus2509", "glm"],
      ["qwen", "longcat", "llama3_json", "deepseek_v3_1", "mistral", "qwen3_coder"],
    ].flat();
    expect(listParsers()).toEqual(expect.arrayContaining(names));
    for (const name of listParsers()) expect(getParser(name).parse("Hello.").content).toBe("Hello.");
    expect(listReasoningParsers()).toEqual(expect.arrayContaining(["qwen3", "deepseek_r1", "minimax_m2_append_think"]));
  });

  it("takes a user's own parser, and none under a built-in name", () => {
    const result: ParseResult = { content: "mine", tool_calls: [], rest: null, problems: [] };
    registerParser("my_own_format", { parse: () => result });
    expect(getParser("my_own_format").parse("anything")).toBe(result);
    expect(listParsers()).toContain("my_own_format");
    expect(errorOf(() => registerParser("hermes", { parse: () => result })).code).toBe("conflict");
  });

  it("makes ids where the format has none and keeps those that it has", () => {
    const [made] = getParser("hermes").parse('<tool_call>{"name": "f", "arguments": {}}</tool_call>').tool_calls;
    expect(made?.id).toMatch(/^call_[0-9a-f]{24}$/);
    const section = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>{}";
    const [given] = getParser("kimi_k2").parse(`${section}<|tool_call_end|><|tool_calls_section_end|>`).tool_calls;
    expect(given?.id).toBe("functions.f:3");
  });
});
