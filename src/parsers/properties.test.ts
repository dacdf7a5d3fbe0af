import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FORMATS } from "./catalog.ts";
import type { ParseResult } from "./contract.ts";
import { markersOf } from "./format-markers.fixture.ts";
import { getParser, getReasoningParser, listReasoningParsers } from "./index.ts";

const tools = [
  {
    type: "function" as const,
    function: {
      name: "f",
      description: "",
      parameters: {
        type: "object",
        properties: { k: { type: "string" }, n: { type: "integer" }, o: { type: "object" } },
      },
    },
  },
];

/** Words that no format knows, so that each of them must turn up again. */
const word = fc.integer({ min: 0, max: 999 }).map((number) => `qz${number}zq`);

function pieces(markers: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...markers) },
    { weight: 4, arbitrary: word },
    { weight: 1, arbitrary: fc.constantFrom("\n", " ", "\n\n", ", ", "f", "f:0", "k", "functions.f:0") },
    { weight: 1, arbitrary: word.map((value) => `{"name": "f", "arguments": {"k": "${value}"}}`) },
    { weight: 1, arbitrary: word.map((value) => `[f(k="${value}")]`) },
    { weight: 1, arbitrary: word.map((value) => `{"k": "${value}"}`) },
    { weight: 1, arbitrary: fc.constantFrom("{", "}", "[", "]", '"', "'", "\\", "<", ">", "(", ")", "=", "{}") },
  );
  return fc.array(piece, { maxLength: 14 }).map((list) => list.join(""));
}

function everything(result: ParseResult): string {
  return [
    result.content,
    result.reasoning,
    result.rest,
    ...result.tool_calls.flatMap((call) => [call.id, call.function.name, call.function.arguments]),
    ...result.problems.map((problem) => problem.raw),
  ].join("\n");
}

function expectWordsKept(text: string, result: ParseResult): void {
  const kept = everything(result);
  for (const [found] of text.matchAll(/qz\d+zq/g)) expect(kept, JSON.stringify(text)).toContain(found);
}

describe("every format", () => {
  it.each(FORMATS.map((format) => format.name))("%s never throws and loses no word", (name) => {
    const parser = getParser(name);
    fc.assert(
      fc.property(pieces(markersOf(name)), fc.boolean(), fc.boolean(), (text, reasoning, offered) => {
        const result = parser.parse(text, { reasoning, tools: offered ? tools : undefined });
        expect(result.problems.filter((problem) => problem.reason === "parser_failed")).toEqual([]);
        expectWordsKept(text, result);
      }),
      { numRuns: 150 },
    );
  });

  it.each(FORMATS.map((format) => format.name))("%s gives text without markers back as it is", (name) => {
    const parser = getParser(name);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        const text = words.join(" ");
        expect(parser.parse(text, { tools })).toEqual({ content: text, tool_calls: [], rest: null, problems: [] });
      }),
      { numRuns: 20 },
    );
  });

  it.each(FORMATS.map((format) => format.name))("%s takes any text", (name) => {
    const parser = getParser(name);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(
          parser
            .parse(text, { tools, reasoning: true })
            .problems.every((problem) => problem.reason !== "parser_failed"),
        ).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe("every reasoning parser", () => {
  it.each(listReasoningParsers())("%s loses no word", (name) => {
    const parser = getReasoningParser(name);
    fc.assert(
      fc.property(pieces(markersOf(name)), (text) => {
        const { reasoning, content, rest } = parser.parse(text);
        const kept = [reasoning, content, rest].join("\n");
        if (name === "inkling") return;
        for (const [found] of text.matchAll(/qz\d+zq/g)) expect(kept, JSON.stringify(text)).toContain(found);
      }),
      { numRuns: 200 },
    );
  });
});
