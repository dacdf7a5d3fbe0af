import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonKeepingKinds } from "./parse-json.ts";
import { Template } from "./template.ts";
import { PyFloat } from "./values.ts";

const render = (source: string, names: Record<string, unknown> = {}): string =>
  new Template(source).render(Object.entries(names));

describe("values from JavaScript", () => {
  test("whole numbers are ints, others floats, and PyFloat keeps its kind", () => {
    expect(render("{{ x }}", { x: [1, 2.5, new PyFloat(1), 1e-7, 2 ** 53, 10n ** 20n] })).toBe(
      "[1, 2.5, 1.0, 1e-07, 9007199254740992, 100000000000000000000]",
    );
  });

  test("parseJsonKeepingKinds keeps floats, long integers and the order of keys", () => {
    const text = '{"b": 1.0, "2": 12345678901234567890, "1": [1e5, -0.0, "\\ud83d\\ude00"]}';
    expect(render("{{ x|tojson }}", { x: parseJsonKeepingKinds(text) })).toBe(
      '{"b": 1.0, "2": 12345678901234567890, "1": [100000.0, -0.0, "😀"]}',
    );
  });

  test("any JSON value comes through tojson as it was", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(render("{{ x|tojson }}", { x: parseJsonKeepingKinds(text) }))).toEqual(JSON.parse(text));
      }),
      { numRuns: 200 },
    );
  });

  test.each(["", "{", "[1,]", '{"a" 1}', "01", "1 2", '"\n"', "'a'", "[".repeat(5000)])("%j is no JSON", (text) => {
    expect(() => parseJsonKeepingKinds(text)).toThrow(expect.objectContaining({ code: "data_invalid" }));
  });
});

describe("hostile templates", () => {
  test.each([
    ["endless recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"],
    ["a recursive loop over itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"],
    ["deep nesting", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`],
    ["a long text", "{{ 'x' * 1000000000 }}"],
    ["a large range", "{{ range(10000000)|list }}"],
    ["a large power", "{{ 9 ** (9 ** 9) }}"],
    ["prototypes", "{{ x.constructor.constructor('return 1')() }}"],
  ])("%s is a template_error", (_what, source) => {
    expect(() => render(source, { x: {} })).toThrow(expect.objectContaining({ code: "template_error" }));
  });

  test("JavaScript's own properties are not there", () => {
    const source = "{{ x.constructor }}|{{ x['__proto__'] }}|{{ y.length }}|{{ 'a'.length }}|{{ y.push is defined }}";
    expect(render(source, { x: {}, y: [1] })).toBe("||||False");
  });

  test("the message of raise_exception is kept", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(
      expect.objectContaining({ code: "template_error", message: expect.stringContaining("roles must alternate") }),
    );
  });
});

describe("strftime_now", () => {
  const at = (format: string): string =>
    new Template("{{ strftime_now(f) }}").render([["f", format]], { now: () => new Date(2024, 1, 5, 15, 4, 9, 7) });
  test.each([
    ["%d %B %Y", "05 February 2024"],
    ["%a %A %b %-d %e %j", "Mon Monday Feb 5  5 036"],
    ["%H:%M:%S.%f %I %p %y", "15:04:09.007000 03 PM 24"],
    ["%F %T %D %R %r", "2024-02-05 15:04:09 02/05/24 15:04 03:04:09 PM"],
    ["%U %W %V %G %u %w %C", "05 06 06 2024 1 1 20"],
    ["%c|%x|%X|%%|%z|%Z|%Q", "Mon Feb  5 15:04:09 2024|02/05/24|15:04:09|%|||%Q"],
  ])("%s", (format, expected) => {
    expect(at(format)).toBe(expected);
  });
});
