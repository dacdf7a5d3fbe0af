import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupPayload, readGroup, writeGroup } from "./group.ts";
import { InvalidBody } from "./problem-detail.ts";
import { listStarts, objectSpans } from "./raw-json.ts";

const payloadOf = (text: string) => {
  const body = Buffer.from(text);
  const sent = JSON.parse(text);
  return groupPayload(readGroup(sent), body, 0, sent).toString();
};
const minimal = { tokens: [[1, 2]], masks: [[-100, 2]], scores: [1] };

function refusal(value: unknown): InvalidBody["detail"] {
  try {
    readGroup(value);
  } catch (error) {
    if (error instanceof InvalidBody) return error.detail;
    throw error;
  }
  return [];
}

describe("groups", () => {
  it("are written with every key of v1, floats as floats", () => {
    const text = writeGroup(readGroup({ ...minimal, advantages: [[1, -0, 0.5]], inference_logprobs: [[1, -3]] }));
    expect(text).toContain('"scores":[1.0]');
    expect(text).toContain('"advantages":[[1.0,-0.0,0.5]]');
    expect(text).toContain('"inference_logprobs":[[1.0,-3.0]]');
    expect(Object.keys(JSON.parse(text))).toEqual([
      "tokens",
      "masks",
      "scores",
      "advantages",
      "ref_logprobs",
      "messages",
      "generation_params",
      "inference_logprobs",
      "overrides",
      "group_overrides",
      "images",
      "env_id",
      "distill_token_ids",
      "distill_logprobs",
    ]);
  });

  it("keep what was sent digit by digit where it needs no change", () => {
    const text = `{ "scores" : [ 1 , 2.50 ], "tokens":[[1],[2 ]],"masks":[[1],[ -100]],"unknown":[1],
      "generation_params":{"seed":18446744073709551615,"temperature":1.0,"x":"]}\\""},
      "inference_logprobs":[[-1.00000000000000012345e-05],[1e0]], "messages":null, "scores":[1.5,2.50]}`;
    const payload = payloadOf(text);
    expect(payload).toContain('"generation_params":{"seed":18446744073709551615,"temperature":1.0,"x":"]}\\""}');
    expect(payload).toContain('"inference_logprobs":[[-1.00000000000000012345e-05],[1e0]]');
    expect(payload).toContain('"scores":[1.5,2.50]');
    expect(payload).not.toContain("unknown");
    expect(JSON.parse(payload)).toMatchObject({ tokens: [[1], [2]], masks: [[1], [-100]], messages: null });
  });

  it("are converted where they were sent leniently", () => {
    const payload = payloadOf('{"tokens":[["7",1.0,true]],"masks":[[1e0,1,1]],"scores":["0.5"],"env_id":"3"}');
    expect(payload).toContain('"tokens":[[7,1,1]],"masks":[[1,1,1]],"scores":[0.5]');
    expect(JSON.parse(payload).env_id).toBe(3);
    expect(payloadOf('{"tokens":[[7]],"masks":[[7]],"scores":[1],"advantages":[[1,2.0]]}')).toContain(
      '"advantages":[[1.0,2.0]]',
    );
  });

  it("say the same as their bytes or as their fields", () => {
    const number = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, noDefaultInfinity: true }));
    const group = fc.nat(4).chain((extra) => {
      const rows = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: extra + 1, maxLength: extra + 1 });
      return fc.record({
        tokens: rows(fc.constant([5, 6])),
        masks: rows(fc.constant([-100, 6])),
        scores: rows(number),
        advantages: fc.option(rows(fc.array(number))),
        messages: fc.option(fc.array(fc.array(fc.record({ role: fc.string(), content: fc.json() })))),
        generation_params: fc.dictionary(fc.string(), fc.jsonValue()),
        images: fc.jsonValue(),
        distill_logprobs: fc.option(rows(fc.array(fc.array(number)))),
      });
    });
    fc.assert(
      fc.property(group, fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const payload = payloadOf(text);
        expect(JSON.parse(payload)).toEqual(JSON.parse(writeGroup(readGroup(JSON.parse(text)))));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["counts that differ", { ...minimal, scores: [1, 2] }, ["body", "scores"]],
    ["rows of masks of another length", { ...minimal, masks: [[-100]] }, ["body", "masks", 0]],
    [
      "log-probabilities of another length",
      { ...minimal, inference_logprobs: [[1]] },
      ["body", "inference_logprobs", 0],
    ],
    ["no sequence", { tokens: [], masks: [], scores: [] }, ["body", "tokens"]],
    ["an id out of range", { ...minimal, tokens: [[1, 2 ** 31]] }, ["body", "tokens", 0, 1]],
    ["a negative id", { ...minimal, tokens: [[1, -1]] }, ["body", "tokens", 0, 1]],
    ["a fraction", { ...minimal, tokens: [[1, 32.5]] }, ["body", "tokens", 0, 1]],
    ["null for a number", { ...minimal, scores: [null] }, ["body", "scores", 0]],
    ["NaN as text", { ...minimal, scores: ["nan"] }, ["body", "scores", 0]],
    [
      "Infinity in free fields",
      { ...minimal, generation_params: { a: [JSON.parse("1e999")] } },
      ["body", "generation_params"],
    ],
    ["a negative env", { ...minimal, env_id: -1 }, ["body", "env_id"]],
    ["a message without role", { ...minimal, messages: [[{ content: "x" }]] }, ["body", "messages", 0, 0, "role"]],
    ["a field that is missing", { tokens: [[1]], masks: [[1]] }, ["body", "scores"]],
    ["no object", [], ["body"]],
  ])("are refused with %s", (_, value, loc) => {
    expect(refusal(value).map((problem) => problem.loc)).toContainEqual(loc);
  });

  it("are not refused for what trainers can use", () => {
    const legal = { ...minimal, advantages: [[1, 2, 3]], messages: [[]], masks: [[1, 1]], inference_logprobs: null };
    expect(refusal(legal)).toEqual([]);
  });

  it("are refused with an answer that stays small", () => {
    const deep = JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`);
    const detail = refusal({ ...minimal, tokens: Array(1000).fill("x".repeat(1000)), images: deep });
    expect(JSON.stringify(detail).length).toBeLessThan(100_000);
  });
});

describe("raw JSON", () => {
  it("finds every value of any text", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = Buffer.from(JSON.stringify(value, null, indent));
        const found = [...objectSpans(text)].map(([key, span]) => [key, JSON.parse(text.toString("utf8", ...span))]);
        expect(Object.fromEntries(found)).toEqual(JSON.parse(text.toString()));
        const list = Buffer.from(JSON.stringify(Object.values(value), null, indent));
        expect(listStarts(list).length).toBe(Object.keys(value).length);
      }),
    );
  });
});
