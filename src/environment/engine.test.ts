import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { LachesisError } from "../core/index.ts";
import { runAll } from "./engine.ts";
import { RunControl } from "./run-control.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function counted(total: number) {
  let next = 0;
  return async () => (next < total ? next++ : null);
}

test("every piece of work runs once, never more at once than allowed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 9 }), async (total, concurrency) => {
      const done: number[] = [];
      let running = 0;
      let most = 0;
      await runAll({
        next: counted(total),
        run: async (work) => {
          most = Math.max(most, ++running);
          for (let wait = 0; wait < work % 4; wait++) await turn();
          running--;
          done.push(work);
        },
        concurrency: () => concurrency,
        control: new RunControl(),
      });
      expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, index) => index));
      expect(most).toBeLessThanOrEqual(concurrency);
    }),
    { numRuns: 30 },
  );
});

test("the source is never asked twice at once", async () => {
  let asking = 0;
  let most = 0;
  const source = counted(20);
  await runAll({
    next: async () => {
      most = Math.max(most, ++asking);
      await turn();
      asking--;
      return source();
    },
    run: turn,
    concurrency: () => 8,
    control: new RunControl(),
  });
  expect(most).toBe(1);
});

test("a stop starts nothing new and lets what runs come to its end", async () => {
  const control = new RunControl();
  const done: number[] = [];
  await runAll({
    next: counted(100),
    run: async (work) => {
      if (work === 5) control.stopNew(new LachesisError("auth", "no"));
      await turn();
      await turn();
      done.push(work);
    },
    concurrency: () => 4,
    control,
  });
  expect(done).toContain(5);
  expect(done.length).toBeLessThan(12);
});

test("a fault of ours or of the source ends the run and is thrown, after what runs has ended", async () => {
  let ended = 0;
  const run = runAll({
    next: counted(10),
    run: async (work) => {
      await turn();
      ended++;
      if (work === 1) throw new Error("disk on fire");
    },
    concurrency: () => 3,
    control: new RunControl(),
  });
  await expect(run).rejects.toThrow("disk on fire");
  expect(ended).toBeGreaterThanOrEqual(3);
  const source = runAll({
    next: async () => {
      throw new Error("no items");
    },
    run: turn,
    concurrency: () => 3,
    control: new RunControl(),
  });
  await expect(source).rejects.toThrow("no items");
});

test("servers that are gone stop the run; one answer in between starts the count anew", () => {
  const control = new RunControl();
  const gone = () => control.ended({ kind: "aborted", error: new LachesisError("connection", "refused").toJSON() });
  for (let count = 0; count < 31; count++) gone();
  control.ended({ kind: "scored", reward: 0 });
  for (let count = 0; count < 31; count++) gone();
  expect(control.stopped).toBeNull();
  gone();
  expect(control.stopped?.message).toContain("last 32 rollouts");
});

test("work that ignores a cancellation is left behind after a while", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const control = new RunControl();
    const ended = runAll({ next: counted(2), run: () => new Promise(() => {}), concurrency: () => 2, control });
    await turn();
    control.cancel(new LachesisError("cancelled", "Ctrl-C"));
    await vi.advanceTimersByTimeAsync(60_000);
    await ended;
    await expect(control.unlessStopped(new Promise(() => {}))).rejects.toThrow("Ctrl-C");
  } finally {
    vi.useRealTimers();
  }
});
