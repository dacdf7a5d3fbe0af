import { describe, expect, it } from "vitest";
import { guessValue } from "./coerce-by-guess.ts";
import { coerceText } from "./coerce-by-schema.ts";
import { coerceHunyuan } from "./coerce-hunyuan.ts";
import { dumpJson } from "./json-dump.ts";

const coerced = (text: string, schema: unknown): string => dumpJson(coerceText(text, schema));

describe("values typed by a schema", () => {
  it.each([
    ["42", { type: "integer" }, "42"],
    [" 1_000 ", { type: "int64" }, "1000"],
    ["3.0", { type: "integer" }, "3.0"],
    ["3.0", { type: "number" }, "3"],
    ["1e3", { type: "float" }, "1000"],
    ["inf", { type: "number" }, '"inf"'],
    ["True", { type: "boolean" }, "true"],
    ["0", { type: "bool" }, "false"],
    ["yes", { type: "boolean" }, '"yes"'],
    ["null", { type: "string" }, '"null"'],
    ["NULL", { type: ["string", "null"] }, "null"],
    ["123", { type: "string" }, '"123"'],
    ["123", { anyOf: [{ type: "string" }, { type: "integer" }] }, "123"],
    ["[1, 2]", { type: "array" }, "[1, 2]"],
    ["{'a': 1}", { type: "object" }, "\"{'a': 1}\""],
    ["7", { enum: [7, 8] }, "7"],
    ["7", { enum: ["7"] }, '"7"'],
    ["7", {}, '"7"'],
    ["x", null, '"x"'],
  ])("%j under %j is %s", (text, schema, expected) => {
    expect(coerced(text, schema)).toBe(expected);
  });

  it("guesses where the family does", () => {
    expect(dumpJson(guessValue("{'a': None}", null))).toBe('{"a": null}');
    expect(dumpJson(guessValue(" 12 ", null))).toBe("12");
    expect(guessValue(" 12 ", { type: "string" })).toBe(" 12 ");
    expect(dumpJson(coerceHunyuan("2.50", { oneOf: [{ type: "number" }, { type: "string" }] }))).toBe("2.5");
    expect(dumpJson(coerceHunyuan("[1]", { type: "array" }))).toBe("[1]");
    expect(coerceHunyuan("12", {})).toBe("12");
  });
});
