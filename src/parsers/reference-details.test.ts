import { describe, expect, it } from "vitest";
import { getParser } from "./index.ts";

const read = (name: string, text: string, reasoning = false) => {
  const result = getParser(name).parse(text, { reasoning });
  return { content: result.content, names: result.tool_calls.map((call) => call.function.name), rest: result.rest };
};

describe("details in which the references agree", () => {
  it("takes dotted and private names from LFM2", () => {
    expect(read("lfm2", "<|tool_call_start|>[a.get(k=1), _b(k=2)]<|tool_call_end|>").names).toEqual(["a.get", "_b"]);
    expect(read("pythonic", "[a.get(k=1)]").names).toEqual([]);
  });

  it("leaves Llama 4's tokens out of content that is no list of calls", () => {
    expect(read("llama4_pythonic", "<|python_start|>[f(1)]<|python_end|>").content).toBe("[f(1)]");
  });

  it("keeps Inkling's text before a call, but not the name in a message's header", () => {
    const call = '<|content_invoke_tool_json|>{"name":"f","args":{}}<|end_message|>';
    expect(read("inkling", `Let me look.${call}`)).toEqual({ content: "Let me look.", names: ["f"], rest: null });
    expect(read("inkling", `f${call}`, true).content).toBeNull();
  });

  it("reads one channel of calls in Kimi K3 and every section in Hunyuan 3", () => {
    const tools = '<|open|>tools<|sep|><|open|>call tool="f" index="1"<|sep|><|close|>call<|sep|><|close|>tools<|sep|>';
    expect(read("kimi_k3", `${tools} and ${tools}`).names).toEqual(["f"]);
    const section = "<tool_calls>\n<tool_call>f<tool_sep>\n</tool_call>\n</tool_calls>";
    expect(read("hy_v3", `${section} and ${section}`)).toEqual({ content: null, names: ["f", "f"], rest: "and" });
  });

  it("gives the text behind the last call of Step 3.5 as rest", () => {
    const call = "<tool_call>\n<function=f>\n</function>\n</tool_call>";
    expect(read("step3p5", `Before.\n${call}\nAfter.`)).toEqual({ content: "Before.\n", names: ["f"], rest: "After." });
  });
});
