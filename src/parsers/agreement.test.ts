import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { ToolSchema } from "../core/index.ts";
import { getParser, getReasoningParser } from "./index.ts";
import { dumpJson } from "./json-dump.ts";
import { readJson } from "./json-reader.ts";
import { isMap, type PyMap, type PyValue } from "./python-value.ts";

// The recorded cases of the reference parsers are not part of the repository.
const shared = path.resolve(process.env.LACHESIS_SHARED ?? "../shared", "vectors");
const missing = existsSync(shared) ? "" : ` (skipped: no recorded cases in ${shared}; set LACHESIS_SHARED)`;

/** Formats in which every case whose references agree must agree with ours. */
const EXACT = [
  "hermes",
  "qwen",
  "llama3_json",
  "mistral",
  "qwen3_coder",
  "deepseek_v3",
  "deepseek_v3_1",
  "kimi_k2",
  "longcat",
  "glm45",
  "glm47",
];

interface Tally {
  agreed: number;
  total: number;
  failed: string[];
}

const text = (value: PyValue | undefined): string | null => (typeof value === "string" ? value : null);

function* cases(folder: string, file: string): Generator<PyMap> {
  const read = readJson(readFileSync(path.join(shared, folder, file), "utf8"));
  if (!read.ok || !Array.isArray(read.value)) throw new Error(`${folder}/${file} is not a list of cases.`);
  for (const value of read.value) if (isMap(value) && !value.has("differ")) yield value;
}

function expectedCalls(value: PyMap, expected: PyMap): string[][] {
  const exact = value.get("arguments_text");
  const calls = expected.get("tool_calls");
  return (Array.isArray(calls) ? calls : []).filter(isMap).map((call, index) => {
    const args = call.get("arguments") ?? null;
    const printed = typeof args === "string" ? args : dumpJson(args);
    return [text(call.get("name")) ?? "", (Array.isArray(exact) ? text(exact[index]) : null) ?? printed];
  });
}

function toolsOf(value: PyMap): ToolSchema[] | undefined {
  const tools = value.get("tools");
  return tools === undefined ? undefined : (JSON.parse(dumpJson(tools)) as ToolSchema[]);
}

function agreesOnCalls(name: string, value: PyMap): boolean {
  const expected = value.get("expected");
  if (!isMap(expected)) throw new Error("A case without expectations.");
  const got = getParser(name).parse(text(value.get("raw")) ?? "", {
    tools: toolsOf(value),
    reasoning: value.get("mode") === "reasoning+tools",
    variant: text(value.get("variant")) ?? undefined,
  });
  const ours = [got.content, got.tool_calls.map((call) => [call.function.name, call.function.arguments])];
  const theirs = [text(expected.get("content")), expectedCalls(value, expected)];
  const sameReasoning = !expected.has("reasoning") || (got.reasoning ?? null) === text(expected.get("reasoning"));
  return JSON.stringify(ours) === JSON.stringify(theirs) && sameReasoning;
}

function agreesOnReasoning(name: string, value: PyMap): boolean {
  const expected = value.get("expected");
  if (!isMap(expected)) throw new Error("A case without expectations.");
  const state = value.get("state");
  const off = isMap(state) && state.get("thinking_enabled") === false;
  const given = value.get("chat_template_kwargs");
  const kwargs = isMap(given) ? (JSON.parse(dumpJson(given)) as Record<string, unknown>) : undefined;
  const got = getReasoningParser(name).parse(text(value.get("raw")) ?? "", {
    templateKwargs: kwargs ?? (off ? { enable_thinking: false } : undefined),
  });
  return got.reasoning === text(expected.get("reasoning")) && got.content === text(expected.get("content"));
}

function tally(folder: string, agrees: (name: string, value: PyMap) => boolean): Map<string, Tally> {
  const tallies = new Map<string, Tally>();
  for (const file of readdirSync(path.join(shared, folder))) {
    const name = path.basename(file, ".json");
    const counted: Tally = { agreed: 0, total: 0, failed: [] };
    for (const value of cases(folder, file)) {
      counted.total++;
      if (agrees(name, value)) counted.agreed++;
      else counted.failed.push(`${name}: ${text(value.get("name"))}`);
    }
    tallies.set(name, counted);
  }
  return tallies;
}

describe.skipIf(missing !== "")(`recorded cases of the reference parsers${missing}`, () => {
  it("agrees with at least 98 % of the cases whose references agree, and with all of the main formats", () => {
    const calls = tally("parser-vectors", agreesOnCalls);
    const reasoning = tally("reasoning-vectors", agreesOnReasoning);
    expect(EXACT.flatMap((name) => calls.get(name)?.failed ?? [`${name}: no cases`])).toEqual([]);
    const all = [...calls.values(), ...reasoning.values()];
    const total = all.reduce((sum, counted) => sum + counted.total, 0);
    const agreed = all.reduce((sum, counted) => sum + counted.agreed, 0);
    expect(total).toBeGreaterThan(1000);
    expect(agreed / total, all.flatMap((counted) => counted.failed).join("\n")).toBeGreaterThanOrEqual(0.98);
  });
});
