import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { SearchLine } from "./search-output.ts";
import { summaryOf } from "./search-summary.ts";

const line = (path: string, number: number, context = false): SearchLine => ({
  path,
  line: number,
  text: `${number}`,
  context,
});

test("counts everything, keeps the page with the context of its matches", async () => {
  const lines = [
    line("a", 1, true),
    line("a", 2),
    line("a", 3, true),
    line("a", 9, true),
    line("a", 10),
    line("b", 4, true),
    line("b", 5),
    line("b", 6),
    line("b", 7, true),
  ];
  const shown = async (offset: number, limit: number) =>
    (await summaryOf(lines, { offset, limit })).shown.map(({ path, line }) => `${path}${line}`);
  expect(await shown(0, 1)).toEqual(["a1", "a2", "a3"]);
  expect(await shown(1, 1)).toEqual(["a9", "a10"]);
  expect(await shown(2, 5)).toEqual(["b4", "b5", "b6", "b7"]);
  expect(await shown(4, 5)).toEqual([]);
  const { matches, perFile } = await summaryOf(lines, { offset: 0, limit: 1 });
  expect([matches, ...perFile]).toEqual([4, ["a", 2], ["b", 2]]);
});

test("the event loop gets its turn while much is read", async () => {
  let turns = 0;
  let done = false;
  const counting = (async () => {
    for (; !done; turns++) await nextTurn();
  })();
  const many = Iterator.from(Array.from({ length: 100_000 }, (_, index) => line("a", index)));
  expect((await summaryOf(many, { offset: 0, limit: 1 })).matches).toBe(100_000);
  done = true;
  await counting;
  expect(turns).toBeGreaterThanOrEqual(40);
});
