import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextStream } from "./text-stream.ts";

/** Any characters, halves of surrogate pairs replaced. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x10ffff }), fc.integer({ min: 32, max: 1000 })), { maxLength: 30 })
  .map((points) => String.fromCodePoint(...points).toWellFormed());

/** A token is a byte. */
const decode = (bytes: readonly number[]) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

function streamed(text: string, stops: string[]) {
  const stream = new TextStream(decode, stops);
  let given = "";
  for (const byte of bytesOf(text)) {
    const stopped = stream.add(byte);
    given += stream.take(false);
    if (stopped) break;
  }
  stream.end();
  given += stream.take(true);
  return { given, text: stream.text, matched: stream.matched };
}

describe("TextStream", () => {
  it("gives whole characters only, and in the end exactly the text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { given, text: whole } = streamed(text, []);
        expect(whole).toBe(decode(bytesOf(text)));
        expect(given).toBe(whole);
      }),
    );
  });

  it("cuts at the first stop string and never gives out a part of it", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "é"), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: 20 }),
        fc.array(letters, { maxLength: 3 }),
        (text, stops) => {
          const { given, matched } = streamed(text, stops);
          const ends = stops
            .map((stop) => text.indexOf(stop) + stop.length)
            .filter((_, at) => text.includes(stops[at]!));
          expect(matched === null).toBe(ends.length === 0);
          if (matched === null) expect(given).toBe(text);
          else expect(text.startsWith(given + matched)).toBe(true);
          for (const stop of stops) expect(given).not.toContain(stop);
        },
      ),
    );
  });

  it("ends a cut character with a replacement character", () => {
    const stream = new TextStream(decode);
    for (const byte of bytesOf("aé").slice(0, 2)) stream.add(byte);
    stream.end();
    expect(stream.text).toBe("a\uFFFD");
  });
});
