import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkArguments } from "./arguments.ts";
import { coerceArguments } from "./coerce.ts";
import { todoTool } from "./todo.ts";

const schema = {
  type: "object",
  properties: {
    int: { type: "integer" },
    num: { type: "number" },
    bool: { type: "boolean" },
    text: { type: "string" },
    list: { type: "array", items: { type: "integer" } },
    object: { type: "object", properties: { n: { type: "integer" } } },
    maybe: { anyOf: [{ type: "integer" }, { type: "null" }] },
    either: { type: ["integer", "string"] },
    any: {},
  },
  required: ["int"],
};

const coerce = (name: string, value: unknown) => coerceArguments(schema, { [name]: value })[name];

describe("coerceArguments", () => {
  it.each([
    ["int", "5", 5],
    ["int", " -7 ", -7],
    ["int", "5.0", 5],
    ["int", "5.5", "5.5"],
    ["int", "1e3", 1000],
    ["int", "inf", "inf"],
    ["int", "NaN", "NaN"],
    ["int", "0x10", "0x10"],
    ["int", "", ""],
    ["num", "2.5", 2.5],
    ["num", "1e999", "1e999"],
    ["bool", "true", true],
    ["bool", "False", false],
    ["bool", "yes", "yes"],
    ["bool", 1, 1],
    ["text", 5, "5"],
    ["text", true, "true"],
    ["text", { a: 1 }, { a: 1 }],
    ["list", "[1, 2]", [1, 2]],
    ["list", '["1", "2"]', [1, 2]],
    ["list", "7", [7]],
    ["list", 7, [7]],
    ["list", "[broken", ["[broken"]],
    ["object", '{"n": "3"}', { n: 3 }],
    ["object", "[1]", "[1]"],
    ["maybe", "null", null],
    ["maybe", "4", 4],
    ["either", "4", "4"],
    ["any", "4", "4"],
    ["unknown", "4", "4"],
  ])("%s: %j becomes %j", (name, value, expected) => {
    expect(coerce(name, value)).toEqual(expected);
  });

  it("leaves out null for optional arguments, and keeps it where it is required or means something", () => {
    expect(coerceArguments(schema, { int: null, num: null, maybe: null, any: null })).toEqual({
      int: null,
      maybe: null,
      any: null,
    });
  });

  it("changes nothing that is right, never throws, and leaves its input alone", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys(schema.properties), "other"), fc.jsonValue()),
        (args) => {
          const before = structuredClone(args);
          const once = coerceArguments(schema, args);
          expect(args).toEqual(before);
          expect(coerceArguments(schema, once)).toEqual(once);
          const checked = checkArguments(schema, args);
          if (!checked.ok) expect(checked.error).toMatch(/^Invalid arguments: .+\.$/s);
        },
      ),
    );
  });

  it("works for todo as for every tool", () => {
    const checked = checkArguments(todoTool.parameters, {
      todos: '[{"id": 1, "content": "x", "status": "pending"}]',
      merge: "false",
    });
    expect(checked).toEqual({
      ok: true,
      args: { todos: [{ id: "1", content: "x", status: "pending" }], merge: false },
    });
  });
});
