import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupPayload, readGroup, writeGroup } from "./group.ts";
import { isOver, scanGroup, scanGroups } from "./group-scan.ts";
import { InvalidBody } from "./problem-detail.ts";

/** What the thorough way makes of a text; null where it refuses it. */
function thorough(text: Buffer): { payload: string; env: unknown; weights: unknown; ids: unknown } | null {
  try {
    const sent: unknown = JSON.parse(text.toString("utf8"));
    const group = readGroup(sent);
    const payload = groupPayload(group, text, 0, sent).toString();
    return { payload, env: group.env_id, weights: group.weight_versions, ids: group.rollout_ids };
  } catch (error) {
    if (error instanceof InvalidBody || error instanceof SyntaxError) return null;
    throw error;
  }
}

function quick(text: Buffer) {
  const group = scanGroup(text, 0);
  if (!group || !isOver(text, group.end)) return null;
  const { payload, env_id: env, weight_versions: weights, rollout_ids: ids } = group;
  return { payload: payload.toString(), env, weights, ids };
}

const minimal = '{"tokens":[[1,2]],"masks":[[-100,2]],"scores":[1]}';

const number = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 1e21, 5e-324, 1.7976931348623157e308, 123456789012345680000),
);
const group = fc.integer({ min: 1, max: 4 }).chain((count) => {
  const rows = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: count, maxLength: count });
  return fc.record(
    {
      tokens: rows(fc.constantFrom([5, 6], [0, 2147483647])),
      masks: rows(fc.constantFrom([-100, 6], [1, 1])),
      scores: rows(number),
      advantages: fc.option(rows(fc.array(number))),
      inference_logprobs: fc.option(rows(fc.tuple(number, number))),
      messages: fc.option(fc.array(fc.array(fc.record({ role: fc.string({ unit: "binary" }), content: fc.json() })))),
      generation_params: fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
      images: fc.jsonValue(),
      env_id: fc.option(fc.nat()),
      distill_token_ids: fc.option(rows(fc.array(fc.array(fc.nat(9))))),
      distill_logprobs: fc.option(rows(fc.array(fc.array(number)))),
      weight_versions: fc.option(fc.constantFrom([1, 2], [0, 0])),
      rollout_ids: fc.option(rows(fc.string())),
      item_id: fc.option(fc.string()),
      more: fc.jsonValue(),
    },
    { requiredKeys: ["tokens", "masks", "scores"] },
  );
});

describe("the quick way", () => {
  it("takes what programs write, with any spaces and any order of fields, as the thorough way does", () => {
    fc.assert(
      fc.property(group, fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
        const text = Buffer.from(JSON.stringify(value, null, indent));
        const found = quick(text);
        const expected = thorough(text)!;
        expect(found).not.toBeNull();
        const { payload, ...facts } = found!;
        const { payload: sure, ...sureFacts } = expected;
        expect(facts).toEqual(sureFacts);
        expect(JSON.parse(payload)).toEqual(JSON.parse(sure));
        // Floats have a point or an exponent, wherever they stand.
        expect(/"scores": ?\[[^\]]*[[,\s]-?\d+[\s,\]]/.test(payload)).toBe(false);
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it("takes nothing that the thorough way refuses, and says the same of what both take", () => {
    const damage = fc.tuple(
      fc.nat(),
      fc.constantFrom(
        "",
        ",",
        "]",
        "[",
        "0",
        "-",
        ".",
        "e",
        '"',
        "null",
        "1e999",
        "NaN",
        " ",
        "{",
        "}",
        "\\",
        "é",
        ":",
      ),
      fc.nat(2),
    );
    fc.assert(
      fc.property(group, damage, (value, [place, insert, removed]) => {
        const text = JSON.stringify(value);
        const at = place % text.length;
        const bytes = Buffer.from(text.slice(0, at) + insert + text.slice(at + removed));
        const found = quick(bytes);
        if (!found) return;
        const sure = thorough(bytes);
        expect(sure).not.toBeNull();
        expect(JSON.parse(found.payload)).toEqual(JSON.parse(sure!.payload));
      }),
      { numRuns: 1000 },
    );
  }, 60_000);

  it.each([
    "",
    "{",
    "{}",
    `${minimal.slice(0, -1)},}`,
    `${minimal.slice(0, -1)},"scores":[1]}`,
    minimal.replace("[[1,2]]", "[[01,2]]"),
    minimal.replace("[[1,2]]", "[[1,2,]]"),
    minimal.replace("[[1,2]]", "[[-0,2]]"),
    minimal.replace("[[1,2]]", "[[-1,2]]"),
    minimal.replace("[[1,2]]", "[[2147483648,2]]"),
    minimal.replace("[[1,2]]", '[["1",2]]'),
    minimal.replace("[[1,2]]", "[[1,2],null]"),
    minimal.replace("[1]}", "[NaN]}"),
    minimal.replace("[1]}", "[1e999]}"),
    minimal.replace("[1]}", `[${"9".repeat(400)}]}`),
    minimal.replace("[1]}", "[.5]}"),
    minimal.replace("[1]}", "[1.]}"),
    minimal.replace("[1]}", "[1,2]}"),
    minimal.replace("[1]}", "null}"),
    `${minimal.slice(0, -1)},"env_id":-1}`,
    `${minimal.slice(0, -1)},"env_id":"3"}`,
    `${minimal.slice(0, -1)},"images":${"[".repeat(900)}${"]".repeat(900)}}`,
    `${minimal.slice(0, -1)},"messages":[[{"role":"x"}]]}`,
    `${minimal.slice(0, -1)},"weight_versions":[2,1]}`,
    `${minimal.slice(0, -1)},"rollout_ids":["a","b"]}`,
    `${minimal.slice(0, -1)},"item_id":"x}`,
    `${minimal.slice(0, -1)},"item_id":"\\x"}`,
  ])("leaves %s to the thorough way", (text) => {
    expect(quick(Buffer.from(text))).toBeNull();
  });

  it("refuses bytes that are no UTF-8", () => {
    const text = Buffer.from(`${minimal.slice(0, -1)},"item_id":"x"}`);
    text[text.indexOf(0x78, text.length - 4)] = 0xff;
    expect(quick(text)).toBeNull();
  });

  it("stores a canonical text as it came, without a copy", () => {
    const canonical = writeGroup(readGroup(JSON.parse(minimal)));
    const bytes = Buffer.allocUnsafeSlow(canonical.length);
    bytes.write(canonical);
    expect(scanGroup(bytes, 0)!.payload).toBe(bytes);
    expect(quick(Buffer.from(minimal))!.payload).toBe(canonical);
  });

  it("takes whole lists or nothing", () => {
    const text = (body: string) => scanGroups(Buffer.from(body));
    expect(text("[]")).toEqual([]);
    expect(text(` [ ${minimal} , ${minimal} ] `)).toHaveLength(2);
    for (const bad of [
      "[",
      `[${minimal}`,
      `[${minimal},]`,
      `[${minimal} ${minimal}]`,
      `[${minimal}]x`,
      `[${minimal},1]`,
    ])
      expect(text(bad)).toBeNull();
  });
});
