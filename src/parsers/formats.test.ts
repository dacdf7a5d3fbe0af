import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ToolSchema } from "../core/index.ts";
import { getParser, type ParseOptions } from "./index.ts";

const tools: ToolSchema[] = [
  {
    type: "function",
    function: {
      name: "book",
      description: "",
      parameters: {
        type: "object",
        properties: {
          title: { type: "string" },
          copies: { type: "integer" },
          gift: { type: "boolean" },
          to: { type: "object" },
        },
      },
    },
  },
];

const BAR = "\uff5c";
const LOW = "\u2581";
const ds = (words: string) => `<${BAR}${words.replaceAll(" ", LOW)}${BAR}>`;
const NS = "]<]minimax[>[";
const ARGS = '{"title": "Emma", "copies": 2}';
const CALL = `{"name": "book", "arguments": ${ARGS}}`;

/** One call to `book` for two copies of Emma, in each format, with content before where the format has it. */
const ONE_CALL: Record<string, { text: string; content?: string; options?: ParseOptions }> = {
  hermes: { text: `Gladly.\n<tool_call>\n${CALL}\n</tool_call>`, content: "Gladly.\n" },
  longcat: { text: `<longcat_tool_call>${CALL}</longcat_tool_call>` },
  mistral: { text: `Gladly.[TOOL_CALLS]book[ARGS]${ARGS}`, content: "Gladly." },
  llama3_json: { text: `<|python_tag|>{"name": "book", "parameters": ${ARGS}}` },
  deepseek_v3: {
    text: `${ds("tool calls begin")}${ds("tool call begin")}function${ds("tool sep")}book\n\`\`\`json\n${ARGS}\n\`\`\`${ds("tool call end")}${ds("tool calls end")}`,
  },
  deepseek_v3_1: {
    text: `Gladly.${ds("tool calls begin")}${ds("tool call begin")}book${ds("tool sep")}${ARGS}${ds("tool call end")}${ds("tool calls end")}`,
    content: "Gladly.",
  },
  qwen3_coder: {
    text: "Gladly.\n\n<tool_call>\n<function=book>\n<parameter=title>\nEmma\n</parameter>\n<parameter=copies>\n2\n</parameter>\n</function>\n</tool_call>",
    content: "Gladly.",
  },
  seed_oss: {
    text: "<seed:tool_call><function=book><parameter=title>Emma</parameter><parameter=copies>2</parameter></function></seed:tool_call>",
  },
  glm45: {
    text: "Gladly.\n<tool_call>book\n<arg_key>title</arg_key>\n<arg_value>Emma</arg_value>\n<arg_key>copies</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    content: "Gladly.",
  },
  kimi_k2: {
    text: `<|tool_calls_section_begin|><|tool_call_begin|>functions.book:0<|tool_call_argument_begin|>${ARGS}<|tool_call_end|><|tool_calls_section_end|>`,
  },
  minimax_m2: {
    text: '<minimax:tool_call>\n<invoke name="book">\n<parameter name="title">Emma</parameter>\n<parameter name="copies">2</parameter>\n</invoke>\n</minimax:tool_call>',
  },
  minimax_m3: {
    text: `${NS}<tool_call>${NS}<invoke name="book">${NS}<title>Emma${NS}</title>${NS}<copies>2${NS}</copies>${NS}</invoke>${NS}</tool_call>`,
  },
  minimax: { text: `<tool_calls>\n${CALL}\n</tool_calls>` },
  gemma4: { text: '<|tool_call>call:book{title:<|"|>Emma<|"|>,copies:2}<tool_call|>' },
  granite: { text: `<|tool_call|>[${CALL}]` },
  "granite-20b-fc": { text: `<function_call> ${CALL}` },
  granite4: { text: `Gladly.<tool_call>${CALL}</tool_call>Done.`, content: "Gladly.Done." },
  ernie45: { text: `<tool_call>\n${CALL}\n</tool_call>\n` },
  internlm: { text: `<|action_start|><|plugin|>\n{"name": "book", "parameters": ${ARGS}}<|action_end|>` },
  jamba: { text: `<tool_calls>[${CALL}]</tool_calls>` },
  phi4_mini_json: { text: `functools[${CALL}]` },
  nemotron_json: { text: `<TOOLCALL>[${CALL}]</TOOLCALL>` },
  hunyuan_a13b: { text: `<tool_calls>[${CALL}]</tool_calls>` },
  xlam: { text: `Gladly.\n\`\`\`json\n[${CALL}]\n\`\`\``, content: "Gladly." },
  gigachat3: { text: `Gladly.<|function_call|>${CALL}</s>`, content: "Gladly." },
  functiongemma: {
    text: "<start_function_call>call:book{title:<escape>Emma<escape>,copies:<escape>2<escape>}<end_function_call>",
  },
  apertus: { text: `<|tools_prefix|>[{"book": ${ARGS}}]<|tools_suffix|>` },
  pythonic: { text: "[book(title='Emma', copies=2)]" },
  llama4_pythonic: { text: "<|python_start|>[book(title='Emma', copies=2)]<|python_end|>" },
  olmo3: { text: "<function_calls>\nbook(title='Emma', copies=2)\n</function_calls>" },
  lfm2: { text: "<|tool_call_start|>[book(title='Emma', copies=2)]<|tool_call_end|>Done.", content: "Done." },
  step3: {
    text: `<${BAR}tool_calls_begin${BAR}><${BAR}tool_call_begin${BAR}>function<${BAR}tool_sep${BAR}><steptml:invoke name="book"><steptml:parameter name="title">Emma</steptml:parameter><steptml:parameter name="copies">2</steptml:parameter></steptml:invoke><${BAR}tool_call_end${BAR}><${BAR}tool_calls_end${BAR}>`,
  },
  poolside_v1: {
    text: "<tool_call>book<arg_key>title</arg_key><arg_value>Emma</arg_value><arg_key>copies</arg_key><arg_value>2</arg_value></tool_call>",
  },
  hy_v3: {
    text: "<tool_calls:x1><tool_call:x1>book<tool_sep:x1><arg_key:x1>title</arg_key:x1><arg_value:x1>Emma</arg_value:x1><arg_key:x1>copies</arg_key:x1><arg_value:x1>2</arg_value:x1></tool_call:x1></tool_calls:x1>",
  },
  hy_v4: {
    text: "<tool_calls><tool_call>book<arg_key>title</arg_key><arg_value>Emma</arg_value><arg_key>copies</arg_key><arg_value>2</arg_value></tool_call></tool_calls>",
  },
  kimi_k3: {
    text: '<|open|>response<|sep|>Gladly.<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="book" index="1"<|sep|><|open|>argument key="title" type="string"<|sep|>Emma<|close|>argument<|sep|><|open|>argument key="copies" type="number"<|sep|>2<|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>',
    content: "Gladly.",
  },
  openai: {
    text: `<|channel|>commentary to=functions.book <|constrain|>json<|message|>${ARGS}<|call|>`,
  },
  inkling: {
    text: `<|content_text|>Gladly.<|end_message|><|message_model|><|content_invoke_tool_json|>{"name": "book", "args": ${ARGS}}<|end_message|>`,
    content: "Gladly.",
  },
  solar_open2: {
    text: "<|tool_call:start|>book\n<|tool_arg:start|>title<|tool_arg:value|>Emma<|tool_arg:end|>\n<|tool_arg:start|>copies<|tool_arg:value|>2<|tool_arg:end|>\n<|tool_call:end|>",
  },
  cohere_command: {
    text: `<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "book", "parameters": ${ARGS}}]<|END_ACTION|>`,
  },
  k2_horizon: {
    text: "<ifm|tool_calls><ifm|tool_call>book<ifm|arg_key>title</ifm|arg_key><ifm|arg_value>Emma</ifm|arg_value><ifm|arg_key>copies</ifm|arg_key><ifm|arg_value>2</ifm|arg_value></ifm|tool_call></ifm|tool_calls>",
  },
  dots: {
    text: '<dots_function_call><invoke name="book"><parameter name="title">Emma</parameter><parameter name="copies">2</parameter></invoke></dots_function_call>',
  },
  minicpm5: {
    text: '<function name="book"><param name="title"><![CDATA[Emma]]></param><param name="copies">2</param></function>',
  },
};
const dsml = (label: string, wrapper: string, space = "") =>
  `<${BAR}${label}${BAR}${space}${wrapper}>\n<${BAR}${label}${BAR}${space}invoke name="book">\n<${BAR}${label}${BAR}${space}parameter name="title" string="true">Emma</${BAR}${label}${BAR}${space}parameter>\n<${BAR}${label}${BAR}${space}parameter name="copies" string="false">2</${BAR}${label}${BAR}${space}parameter>\n</${BAR}${label}${BAR}${space}invoke>\n</${BAR}${label}${BAR}${space}${wrapper}>`;
ONE_CALL.deepseek_v3_2 = { text: dsml("DSML", "function_calls") };
ONE_CALL.deepseek_v4 = { text: dsml("DSML", "tool_calls") };
ONE_CALL.deepseek_v4_1 = { text: dsml("DSML", "calls", " ") };
ONE_CALL.gigachat35 = { text: dsml("GCML", "tool_calls") };
for (const name of ["qwen3_xml", "nemotron_v3"]) ONE_CALL[name] = ONE_CALL.qwen3_coder!;
ONE_CALL.step3p5 = { ...ONE_CALL.qwen3_coder!, content: "Gladly.\n\n" };
for (const name of ["glm47", "ling3"]) ONE_CALL[name] = ONE_CALL.glm45!;

describe("one call", () => {
  it.each(Object.entries(ONE_CALL))("in %s", (name, { text, content, options }) => {
    const result = getParser(name).parse(text, { tools, ...options });
    expect(result).toMatchObject({ content: content ?? null, rest: null, problems: [] });
    expect(result.tool_calls.map((call) => call.function)).toEqual([{ name: "book", arguments: ARGS }]);
  });

  it.each(Object.entries(ONE_CALL))(
    "in %s, cut anywhere, keeps every letter of its values or says why",
    (name, { text }) => {
      for (let end = 1; end < text.length; end++) {
        const result = getParser(name).parse(text.slice(0, end), { tools });
        const kept = [
          result.content,
          result.rest,
          ...result.problems.map((problem) => problem.raw),
          ...result.tool_calls.map((call) => call.function.arguments),
        ].join("\n");
        const cut = text.slice(0, end);
        if (cut.includes("Emma")) expect(kept, cut).toContain("Emma");
      }
    },
  );
});

describe("text that is not well formed", () => {
  it("is content with a reason, if the format takes all or nothing", () => {
    const text = `<tool_call>${CALL}</tool_call><tool_call>{"name": "book", "arguments": {"title": "Pers`;
    const result = getParser("hermes").parse(text);
    expect(result).toMatchObject({ content: text, tool_calls: [], problems: [{ reason: "truncated" }] });
  });

  it("keeps text behind a call apart from the content", () => {
    const result = getParser("hermes").parse(`Before <tool_call>${CALL}</tool_call> after.`);
    expect(result).toMatchObject({ content: "Before ", rest: "after." });
  });

  it("leaves out a value that is cut, and shows it", () => {
    const result = getParser("qwen3_coder").parse(
      "<function=book><parameter=title>Emma</parameter><parameter=copies>1",
      {
        tools,
      },
    );
    expect(result.tool_calls[0]?.function.arguments).toBe('{"title": "Emma"}');
    expect(result.problems).toEqual([
      { reason: "truncated", message: expect.stringContaining("copies"), raw: "<parameter=copies>1" },
    ]);
  });

  it("shows a value that another one replaces", () => {
    const text =
      "<tool_call>book<arg_key>title</arg_key><arg_value>A</arg_value><arg_key>title</arg_key><arg_value>B</arg_value></tool_call>";
    const result = getParser("glm47").parse(text, { tools });
    expect(result.tool_calls[0]?.function.arguments).toBe('{"title": "B"}');
    expect(result.problems[0]).toMatchObject({ reason: "stray_text", raw: expect.stringContaining("A</arg_value>") });
  });

  it("refuses tools that were not offered where the format does", () => {
    const result = getParser("glm47").parse("<tool_call>sell</tool_call>", { tools });
    expect(result).toMatchObject({ content: null, tool_calls: [], problems: [{ reason: "unknown_tool" }] });
  });

  it("keeps a mention of a tag", () => {
    const text = "Write <tool_call> to call a tool.";
    for (const name of ["hermes", "qwen3_coder", "glm47", "granite4", "ernie45"])
      expect(getParser(name).parse(text).content).toBe(text);
  });
});

describe("layouts", () => {
  it("of Mistral are told apart by the text, or by the variant", () => {
    const array = `[TOOL_CALLS] [{"name": "book", "arguments": ${ARGS}, "id": "abcdefghi"}]`;
    expect(getParser("mistral").parse(array).tool_calls[0]).toMatchObject({ id: "abcdefghi" });
    const withId = `[TOOL_CALLS]book[CALL_ID]abcdefghi[ARGS]${ARGS}`;
    expect(getParser("mistral").parse(withId).tool_calls[0]).toMatchObject({
      id: "abcdefghi",
      function: { name: "book", arguments: ARGS },
    });
    expect(getParser("mistral").parse(withId, { variant: "pre-v11" }).tool_calls).toEqual([]);
  });

  it("of LongCat may be GLM's grammar", () => {
    const text =
      "<longcat_tool_call>book\n<longcat_arg_key>copies</longcat_arg_key>\n<longcat_arg_value>2</longcat_arg_value>\n</longcat_tool_call>";
    expect(getParser("longcat").parse(text, { tools }).tool_calls[0]?.function.arguments).toBe('{"copies": 2}');
  });

  it("of reasoning are split off first", () => {
    const text = `<think>Maybe <tool_call>${CALL}</tool_call>?</think>Gladly.<tool_call>${CALL}</tool_call>`;
    const result = getParser("hermes").parse(text, { reasoning: true });
    expect(result).toMatchObject({ reasoning: `Maybe <tool_call>${CALL}</tool_call>?`, content: "Gladly." });
    expect(result.tool_calls).toHaveLength(1);
  });
});

/** Renderers as the families' templates write calls; values that would close a tag are not generated. */
const RENDERERS: Record<string, (title: string, copies: number) => string> = {
  hermes: (title, copies) =>
    `<tool_call>\n${JSON.stringify({ name: "book", arguments: { title, copies } })}\n</tool_call>`,
  llama3_json: (title, copies) => JSON.stringify({ name: "book", parameters: { title, copies } }),
  mistral: (title, copies) => `[TOOL_CALLS]book[ARGS]${JSON.stringify({ title, copies })}`,
  qwen3_coder: (title, copies) =>
    `<tool_call>\n<function=book>\n<parameter=title>\n${title}\n</parameter>\n<parameter=copies>\n${copies}\n</parameter>\n</function>\n</tool_call>`,
  glm47: (title, copies) =>
    `<tool_call>book<arg_key>title</arg_key><arg_value>${title}</arg_value><arg_key>copies</arg_key><arg_value>${copies}</arg_value></tool_call>`,
  minimax_m2: (title, copies) =>
    `<minimax:tool_call>\n<invoke name="book">\n<parameter name="title">${title}</parameter>\n<parameter name="copies">${copies}</parameter>\n</invoke>\n</minimax:tool_call>`,
  kimi_k2: (title, copies) =>
    `<|tool_calls_section_begin|><|tool_call_begin|>functions.book:0<|tool_call_argument_begin|>${JSON.stringify({ title, copies })}<|tool_call_end|><|tool_calls_section_end|>`,
  gemma4: (title, copies) => `<|tool_call>call:book{copies:${copies},title:<|"|>${title}<|"|>}<tool_call|>`,
  pythonic: (title, copies) => `[book(title=${JSON.stringify(title)}, copies=${copies})]`,
  openai: (title, copies) =>
    `<|channel|>commentary to=functions.book<|constrain|>json<|message|>${JSON.stringify({ title, copies })}<|call|>`,
};

describe("what a template renders", () => {
  it.each(Object.entries(RENDERERS))("parses back in %s", (name, render) => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii", maxLength: 30 }), fc.nat(1000), (raw, copies) => {
        const title = raw.replace(/[<>|[\]]/g, "");
        const [call, ...more] = getParser(name).parse(render(title, copies), { tools }).tool_calls;
        expect(more).toEqual([]);
        expect(JSON.parse(call?.function.arguments ?? "null")).toEqual({ title, copies });
      }),
      { numRuns: 100 },
    );
  });
});
