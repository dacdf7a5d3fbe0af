import { tableFromArrays, tableToIPC } from "apache-arrow";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ScoredGroup } from "../contract.ts";
import { decodeArrow, encodeArrow } from "./arrow.ts";
import { groupPayload, readGroup, writeGroup } from "./group.ts";
import { payloadGroup } from "./payload.ts";
import { InvalidBody } from "./problem-detail.ts";

const float = fc.float({ noNaN: true, noDefaultInfinity: true });
const double = fc.double({ noNaN: true, noDefaultInfinity: true });
const message = fc.record({ role: fc.constantFrom("user", "assistant"), content: fc.string({ unit: "grapheme" }) });

/** Groups as JSON sends them; log-probabilities are 32-bit floats already, which is what the table holds. */
const groups = fc
  .array(
    fc.array(fc.record({ token: fc.nat(2 ** 31 - 1), trained: fc.boolean(), logprob: float }), { maxLength: 20 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .chain((rows) => {
    const count = rows.length;
    const perSequence = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: count, maxLength: count });
    return fc.record({
      tokens: fc.constant(rows.map((row) => row.map(({ token }) => token))),
      masks: fc.oneof(
        fc.constant(rows.map((row) => row.map(({ token, trained }) => (trained ? token : -100)))),
        fc.constant(rows.map((row) => row.map(() => 1))),
      ),
      scores: perSequence(double),
      inference_logprobs: fc.constantFrom(
        null,
        rows.map((row) => row.map(({ logprob }) => logprob)),
      ),
      messages: fc.option(fc.oneof(perSequence(fc.array(message, { maxLength: 3 })), fc.constant([]))),
      advantages: fc.option(fc.array(fc.array(double, { maxLength: 3 }), { maxLength: 3 })),
      overrides: fc.option(perSequence(fc.record({ set_advantage_to_zero: fc.boolean() }))),
      generation_params: fc.option(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), double))),
      env_id: fc.option(fc.nat(5)),
      images: fc.option(fc.array(fc.string())),
      weight_versions: fc.option(fc.nat(9).map((version): [number, number] => [version, version + 1])),
    });
  });

const throughJson = (group: unknown) => JSON.parse(writeGroup(readGroup(JSON.parse(JSON.stringify(group)))));

describe("Arrow", () => {
  it("holds what JSON holds", () => {
    fc.assert(
      fc.property(fc.array(groups, { minLength: 1, maxLength: 3 }), (sent) => {
        const read = sent.map((group) => readGroup(JSON.parse(JSON.stringify(group))));
        const back = decodeArrow(encodeArrow(read)).map((value) => JSON.parse(writeGroup(readGroup(value))));
        expect(back).toEqual(sent.map(throughJson));
      }),
      { numRuns: 150 },
    );
  });

  it("refuses what is no stream, or a stream of another form, with a place", () => {
    const table = (columns: Parameters<typeof tableFromArrays>[0]) => tableToIPC(tableFromArrays(columns), "stream");
    const good = encodeArrow([readGroup({ tokens: [[1, 2]], masks: [[-100, 2]], scores: [1] })]);
    const refusals: [Uint8Array, string][] = [
      [Buffer.from("no stream at all"), "arrow_invalid"],
      [good.slice(0, 20), "arrow_invalid"],
      [table({ group: Int32Array.of(0) }), "missing"],
      [table({ group: Float64Array.of(1), tokens: Float64Array.of(1) }), "type_error"],
    ];
    for (const [bytes, type] of refusals) {
      let thrown: unknown;
      try {
        decodeArrow(bytes);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(InvalidBody);
      if (type !== "arrow_invalid") expect((thrown as InvalidBody).detail[0]!.type).toBe(type);
    }
  });

  it("passes numbers on as they came, whichever way a group takes", () => {
    const odd = '{"seed":12345678901234567890,"t":1.0,"e":1e5,"list":[-0,0.10,{"n":9007199254740993}]}';
    const text = `{"tokens":[[1]],"masks":[[1]],"scores":[1],"generation_params":${odd},"overrides":[${odd}],"images":1.0,
      "group_overrides":${odd},"messages":[[{"role":"user","content":"1.0","reward":1.0}]],"env_id":1}`;
    const payload = groupPayload(readGroup(JSON.parse(text)), Buffer.from(text), 0, JSON.parse(text));
    const read = decodeArrow(encodeArrow([payloadGroup(payload), payloadGroup(payload)]));
    for (const back of read.map((value) => writeGroup(readGroup(value)))) {
      expect(back.split(odd)).toHaveLength(4);
      expect(back).toContain('"images":1.0,');
      expect(back).toContain('"reward":1.0}');
      expect(JSON.parse(back)).toEqual(JSON.parse(payload.toString()));
    }
    const asField = encodeArrow([readGroup(JSON.parse('{"tokens":[[1]],"masks":[[1]],"scores":[1]}'))], {
      generation_params: odd,
    });
    expect(writeGroup(readGroup(decodeArrow(asField)[0]))).toContain(odd);
    const noDictionary = encodeArrow([readGroup(JSON.parse('{"tokens":[[1]],"masks":[[1]],"scores":[1]}'))], {
      groups: '[{"overrides":[1.0]}]',
    });
    expect(() => readGroup(decodeArrow(noDictionary)[0])).toThrow(InvalidBody);
    const deep = `${"[".repeat(100_000)}1.0${"]".repeat(100_000)}`;
    const nested = encodeArrow([readGroup(JSON.parse('{"tokens":[[1]],"masks":[[1]],"scores":[1]}'))], {
      images: deep,
    });
    expect(() => readGroup(decodeArrow(nested)[0])).toThrow(InvalidBody);
  });

  it("refuses what would lose a group's fields or give them to another one", () => {
    const group = (mark: number) => readGroup({ tokens: [[mark]], masks: [[mark]], scores: [mark], env_id: mark });
    const stream = encodeArrow([group(1), group(2)]);
    const described = (groups: unknown) =>
      decodeArrow(
        encodeArrow(
          [group(1), group(2)].map(({ env_id: _, ...one }) => one),
          { groups: JSON.stringify(groups) },
        ),
      );
    expect(decodeArrow(stream).map(({ env_id }) => env_id)).toEqual([1, 2]);
    const cut = [stream.subarray(0, -1), Buffer.concat([stream, stream]), Buffer.concat([stream, Buffer.of(0)])];
    for (const bytes of cut) expect(() => decodeArrow(bytes)).toThrow(InvalidBody);
    // Without the mark at its end it is whole.
    expect(decodeArrow(stream.subarray(0, -8))).toHaveLength(2);
    for (const groups of [[{}], [{}, {}, {}], [1, 2], "x", [[], []]])
      expect(() => described(groups), JSON.stringify(groups)).toThrow(InvalidBody);
    expect(described([{ env_id: 3, scores: [9] }, null]).map(({ env_id, scores }) => [env_id, scores])).toEqual([
      [3, [1]],
      [undefined, [2]],
    ]);
    expect(described({ 1: { env_id: 4 } }).map(({ env_id }) => env_id)).toEqual([undefined, 4]);
  });

  it("never gives anything but groups or a refusal, whatever bytes are turned", () => {
    const group: ScoredGroup = readGroup({
      tokens: [[1, 2, 3], [4]],
      masks: [[-100, 2, 3], [4]],
      scores: [1, 0],
      inference_logprobs: [[1, -0.5, -1], [-2]],
      messages: [[{ role: "user", content: "x" }], []],
    });
    const stream = encodeArrow([group]);
    fc.assert(
      fc.property(fc.nat(stream.length - 1), fc.nat(255), (at, value) => {
        const turned = Uint8Array.from(stream);
        turned[at] = value;
        try {
          for (const read of decodeArrow(turned)) readGroup(read);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidBody);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
