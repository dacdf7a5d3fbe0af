import { expect, it } from "vitest";
import { costWithin } from "./json-cost.ts";
import { InvalidBody } from "./problem-detail.ts";

const requireAffordable = (text: Uint8Array) => costWithin(text)?.add(text);

it("refuses texts that become many times larger in memory, and no others", () => {
  requireAffordable(Buffer.alloc(1_000_000, "[]"));
  requireAffordable(Buffer.alloc(100_000_000, "31999, "));
  requireAffordable(Buffer.alloc(200_000_000, "some text "));
  const quoted = JSON.stringify(['[{"a": [', "\\", ...Array(1_500_000).fill('[{[\\"')]);
  requireAffordable(Buffer.from(quoted));
  expect(() => requireAffordable(Buffer.from(`["\\\\",${"[],".repeat(12_000_001)}0]`))).toThrow(InvalidBody);
  expect(() => requireAffordable(Buffer.alloc(90_000_000, "[],"))).toThrow(InvalidBody);
});
