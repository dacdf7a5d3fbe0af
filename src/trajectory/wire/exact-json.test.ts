import fc from "fast-check";
import { it } from "vitest";
import { parseExactly } from "./exact-json.ts";

it("prints again what it read, digit by digit, whatever texts hold", () => {
  const number = fc.constantFrom(
    "1",
    "-2",
    "0.5",
    "1.0",
    "-0",
    "1e5",
    "1E+5",
    "0.10",
    "12345678901234567890",
    "5e-324",
  );
  const text = fc
    .string({ unit: fc.constantFrom('"', "\\", "1.0", "-0", "a", ":", "[") })
    .map((value) => JSON.stringify(value));
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      number,
      text,
      fc.constantFrom("null", "true"),
      fc.array(tie("value")).map((items) => `[${items.join()}]`),
      fc.uniqueArray(fc.tuple(text, tie("value")), { selector: ([key]) => key }).map((entries) => {
        return `{${entries.map(([key, item]) => `${key}:${item}`).join()}}`;
      }),
    ),
  }));
  fc.assert(fc.property(value, (whole) => JSON.stringify(parseExactly(whole)) === whole));
});
