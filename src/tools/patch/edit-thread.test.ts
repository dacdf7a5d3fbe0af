import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { EditedBytes } from "./edit-bytes.ts";
import { edit } from "./edit-thread.ts";
import { FileProblem } from "./file-problem.ts";

const never = new AbortController().signal;
const long = (line: string, count: number) => Buffer.from(`${`${line}\n`.repeat(count)}the end\n`);
const replace = (oldText: string, newText: string, all = false) =>
  ({ kind: "replace", name: "f", oldText, newText, all }) as const;

/** Turns that the event loop makes until the work is done. */
async function turnsDuring<T>(work: Promise<T>): Promise<{ turns: number; result: T }> {
  let turns = 0;
  let done = false;
  const counting = (async () => {
    for (; !done; turns++) await nextTurn();
  })();
  const result = await work.finally(() => {
    done = true;
  });
  await counting;
  return { turns, result };
}

test("a long file is edited while the event loop goes on, with the bytes of a short one", async () => {
  const file = long("some line of the file", 400_000);
  const { turns, result } = await turnsDuring<EditedBytes>(edit(file, replace("the end", "over"), never));
  expect(turns).toBeGreaterThan(3);
  expect(Buffer.from(result.bytes).equals(Buffer.from(file.toString().replace("the end", "over")))).toBe(true);
  expect(result).toMatchObject({ count: 1, strategy: "exact", diff: expect.stringContaining("+over\n") });
  expect(file.subarray(-8).toString()).toBe("the end\n");
});

test("every place of a long file is replaced", async () => {
  const { bytes, count } = await edit(long("a b", 150_000), replace("b", "c", true), never);
  expect(count).toBe(150_000);
  expect(Buffer.from(bytes).toString()).toBe(long("a c", 150_000).toString());
});

test("a long file that does not fit says so, as a short one does", async () => {
  for (const file of [long("x", 3), long("x", 200_000)]) {
    await expect(edit(file, replace("nowhere", "y"), never)).rejects.toBeInstanceOf(FileProblem);
    await expect(edit(file, replace("x", "y"), never)).rejects.toThrow(/matches for old_string/);
  }
});

test("cancelling ends it", async () => {
  const cancel = new AbortController();
  const editing = edit(long("x", 2_000_000), replace("nowhere to be found", "y"), cancel.signal);
  cancel.abort();
  await expect(editing).rejects.toMatchObject({ code: "cancelled" });
  await expect(edit(long("x", 200_000), replace("x", "y"), cancel.signal)).rejects.toMatchObject({ code: "cancelled" });
});
