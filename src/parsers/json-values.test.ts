import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dumpJson } from "./json-dump.ts";
import { readJson, readJsonAt } from "./json-reader.ts";
import { readPartialJson } from "./partial-json.ts";
import { readPythonLiteral } from "./python-literal.ts";
import { floatRepr } from "./python-value.ts";

function again(text: string): string | null {
  const read = readJson(text);
  return read.ok ? dumpJson(read.value) : null;
}

describe("JSON as Python reads and prints it", () => {
  it("keeps integers of any size and the forms of floats", () => {
    expect(again("[12345678901234567890, 1.0, 1e3, 1e22, 1e-7, -0.0, 0.1, 100000000000000000.0]")).toBe(
      "[12345678901234567890, 1.0, 1000.0, 1e+22, 1e-07, -0.0, 0.1, 1e+17]",
    );
    expect(floatRepr(123456.789)).toBe("123456.789");
    expect(floatRepr(0.0001)).toBe("0.0001");
    expect(again("[NaN, Infinity, -Infinity]")).toBe("[NaN, Infinity, -Infinity]");
  });

  it("keeps the order of keys, and the last of two values", () => {
    expect(again('{"2": 1, "1": 2, "2": 3}')).toBe('{"2": 3, "1": 2}');
  });

  it("prints what is not ASCII as it is, and escapes it if asked", () => {
    expect(again('"\\u00e9\\u0001\\n\\/\u2028"')).toBe('"é\\u0001\\n/\u2028"');
    expect(dumpJson("é😀\u007f", true)).toBe('"\\u00e9\\ud83d\\ude00\u007f"');
  });

  it("refuses what Python refuses", () => {
    for (const text of ["{'a': 1}", "[1,]", '{"a": 1,}', '"a\nb"', "01", "+1", ".5", "[1 2]", "", "tru", "nul"])
      expect(readJson(text).ok, text).toBe(false);
    expect(readJson('"a\nb"', { strict: false }).ok).toBe(true);
  });

  it("says whether a failure is the end of the text", () => {
    expect(readJson('{"a": [1, "b')).toMatchObject({ ok: false, truncated: true });
    expect(readJson('{"a": }')).toMatchObject({ ok: false, truncated: false });
    expect(readJsonAt('x {"a": 1} y', 2)).toMatchObject({ ok: true, end: 10 });
  });

  it("gives up on deep nesting, not on the stack", () => {
    expect(readJson("[".repeat(100_000)).ok).toBe(false);
    expect(readJson("[".repeat(900) + "]".repeat(900)).ok).toBe(true);
  });

  it("reads what JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const read = readJson(JSON.stringify(value));
        expect(read.ok).toBe(true);
        if (read.ok) expect(JSON.parse(dumpJson(read.value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("completes every beginning of a document", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, cut) => {
        const text = JSON.stringify({ value });
        const part = text.slice(0, 1 + (cut % text.length));
        expect(readPartialJson(part), part).toBeDefined();
      }),
    );
  });
});

describe("Python literals", () => {
  const read = (text: string): string | undefined => {
    const value = readPythonLiteral(text);
    return value === undefined ? undefined : dumpJson(value);
  };

  it("reads what JSON can hold", () => {
    expect(read("{'a': True, 'b': None, 1: (2, 3.5, -0x1f)}")).toBe('{"a": true, "b": null, "1": [2, 3.5, -31]}');
    expect(read(`'it\\'s' "\\x41\\u00e9" r'\\n'`)).toBe('"it\'sAé\\\\n"');
    expect(read("'''a\n'b' '''")).toBe("\"a\\n'b' \"");
    expect(read("[1_000, 1e3, .5, 5.]")).toBe("[1000, 1000.0, 0.5, 5.0]");
    expect(read("(1)")).toBe("1");
    expect(read("(1,)")).toBe("[1]");
  });

  it("refuses the rest", () => {
    for (const text of ["{1, 2}", "b'x'", "1+2j", "f(x)", "'a\nb'", "007", "true", "[1", "a.b", "'\\N{DASH}'", "1 2"])
      expect(readPythonLiteral(text), text).toBeUndefined();
  });
});
