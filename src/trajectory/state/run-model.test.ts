import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LachesisError } from "../../core/index.ts";
import { LiveRuns } from "../stores/live-runs.ts";
import { inLoadingOrder } from "../stores/loading-order.ts";
import { openStore } from "../stores/open.ts";
import type { Store } from "../stores/store.ts";
import { ackBatch, type HandedOut, leaseBatch, nackBatch } from "./batches.ts";
import { disconnectEnv, registerEnv, registerTrainer } from "./membership.ts";
import type { Row } from "./records.ts";
import { describeRun } from "./status.ts";
import { submit } from "./submits.ts";

/**
 * Two runs are driven through random histories and watched from outside, by what was put in and what came out. Each
 * group's payload names its run and its number.
 */

const RUNS = ["a", "b"] as const;
const BATCH = { a: 4, b: 6 } as const;
const LEASE_MS = 100;
type Run = (typeof RUNS)[number];

interface Watched {
  /** What was taken, by number: its sequences, and the weights that made it. */
  taken: Map<number, { size: number; weights: number | null; env: number | null }>;
  acked: Set<number>;
  /** Batches that somebody may still acknowledge or give back. */
  held: { batch: HandedOut; numbers: number[]; until: number }[];
  /** What was handed out under a batch's number: the same each time. */
  seen: Map<string, number[]>;
  /** The newest lease of each batch. */
  newest: Map<string, number>;
  envs: number;
  steps: number;
  next: number;
}

type Step =
  | { act: "env"; run: Run; size: number; share: number | null }
  | { act: "submit"; run: Run; sizes: number[]; env: number | null; weights: number | null }
  | { act: "lease"; run: Run }
  | { act: "settle"; run: Run; pick: number; how: "ack" | "nack" | "ack twice" }
  | { act: "leave"; run: Run; env: number }
  | { act: "wait"; ms: number }
  | { act: "restart" };

const run = fc.constantFrom(...RUNS);
const size = fc.constantFrom(1, 2, 2, 2, 3, 4, 7);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("submit" as const),
      run,
      sizes: fc.array(size, { minLength: 1, maxLength: 5 }),
      env: fc.option(fc.nat(3)),
      weights: fc.option(fc.nat(6)),
    }),
  },
  { weight: 5, arbitrary: fc.record({ act: fc.constant("lease" as const), run }) },
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant("settle" as const),
      run,
      pick: fc.nat(9),
      how: fc.constantFrom("ack" as const, "ack" as const, "nack" as const, "ack twice" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("env" as const),
      run,
      size: fc.constantFrom(1, 2, 4),
      share: fc.option(fc.constantFrom(0, 0.25, 0.5)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("leave" as const), run, env: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("wait" as const), ms: fc.constantFrom(10, 60, 120) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("restart" as const) }) },
);

type Kept = Pick<Store, "update" | "read" | "payloads" | "close">;

/** Opens a store; called again, it opens what the one before has kept. */
type Opens = () => Promise<Kept>;

/** Rows in memory, read anew by each store that is opened: restarts without a disk. */
function reloaded(): Opens {
  const rows = new Map<string, Map<string, Row>>();
  const payloads = new Map<string, Uint8Array>();
  return async () => {
    const runs = new LiveRuns({
      // Copies, as a disk gives them.
      load: async (name) => inLoadingOrder(structuredClone([...(rows.get(name)?.values() ?? [])])),
      async save(name, written) {
        const kept = rows.get(name) ?? new Map<string, Row>();
        rows.set(name, kept);
        for (const row of written) {
          const place = `${row.table}:${row.id}`;
          if (row.table === "group" && row.payload) payloads.set(`${name}:${row.id}`, row.payload);
          if (row.body === null) kept.delete(place);
          else kept.set(place, row);
        }
      },
    });
    return {
      update: (name, work) => runs.update(name, work),
      read: (name, work) => runs.read(name, work),
      payloads: async (name, groups) => groups.map((id) => payloads.get(`${name}:${id}`)!),
      close: async () => {},
    };
  };
}

async function play(opens: Opens, staleness: number | null, steps: readonly Step[]): Promise<void> {
  // In the past: what a restart gives its whole time again counts from the first look after it.
  let now = Date.now() - 1e7;
  let store = await opens();
  const watched = Object.fromEntries(
    RUNS.map((name): [Run, Watched] => [
      name,
      { taken: new Map(), acked: new Set(), held: [], seen: new Map(), newest: new Map(), envs: 0, steps: 0, next: 0 },
    ]),
  ) as Record<Run, Watched>;
  try {
    for (const name of RUNS) {
      const registration = {
        wandb_group: "",
        wandb_project: "",
        batch_size: BATCH[name],
        max_token_len: 9,
        checkpoint_dir: "",
        save_checkpoint_interval: 0,
        starting_step: 0,
        num_steps: 99,
        max_staleness: staleness,
      };
      await store.update(name, (state) => registerTrainer(state, registration, "1"));
      await lease(name);
    }
    for (const one of steps) {
      await perform(one);
      for (const name of RUNS) await check(name);
    }
    for (const name of [...RUNS, ...RUNS, ...RUNS]) {
      now += 10 * LEASE_MS;
      while (await lease(name)) await settle(name, watched[name].held.length - 1, "ack");
      await check(name);
    }
  } finally {
    await store.close();
  }

  async function perform(one: Step): Promise<void> {
    switch (one.act) {
      case "env": {
        const env = {
          max_token_length: 9,
          desired_name: "e",
          weight: 1,
          group_size: one.size,
          min_batch_allocation: one.share,
        };
        await store.update(one.run, (state) => registerEnv(state, env, now));
        watched[one.run].envs++;
        return;
      }
      case "submit":
        return put(one);
      case "lease":
        await lease(one.run);
        return;
      case "settle": {
        const { held } = watched[one.run];
        if (held.length > 0) await settle(one.run, one.pick % held.length, one.how);
        return;
      }
      case "leave":
        if (one.env < watched[one.run].envs) await store.update(one.run, (state) => disconnectEnv(state, one.env));
        return;
      case "wait":
        now += one.ms;
        return;
      case "restart":
        await store.close();
        store = await opens();
    }
  }

  async function put({ run: name, sizes, env, weights }: Extract<Step, { act: "submit" }>): Promise<void> {
    const to = watched[name];
    const groups = sizes.map((count) => {
      const number = to.next++;
      to.taken.set(number, { size: count, weights, env });
      const bytes = Buffer.from(`${name}:${number}`);
      return {
        env,
        size: count,
        weights: weights === null ? null : ([weights, weights + 1] as [number, number]),
        payload: bytes,
      };
    });
    await store.update(name, (state) => submit(state, groups, { groups: 1e6, bytes: 1e9 }, now));
  }

  async function lease(name: Run): Promise<boolean> {
    const to = watched[name];
    const batch = await store.update(name, (state) => leaseBatch(state, "t", LEASE_MS, now));
    if (!batch) return false;
    const texts = (await store.payloads(name, batch.groups)).map((bytes) => Buffer.from(bytes).toString());
    const numbers = texts.map((text) => {
      const [from, number] = text.split(":");
      expect(from).toBe(name);
      return Number(number);
    });
    // Exact, each group once, and never what was done with.
    expect(numbers.reduce((sum, number) => sum + to.taken.get(number)!.size, 0)).toBe(BATCH[name]);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(to.acked.has(number)).toBe(false);
    const id = batchOf(batch.id);
    const before = to.seen.get(id);
    if (before) expect(numbers).toEqual(before);
    else {
      expect(batch.step).toBe(++to.steps);
      if (staleness !== null) {
        for (const number of numbers) {
          const made = to.taken.get(number)!.weights;
          if (made !== null) expect(batch.step - 1 - made).toBeLessThanOrEqual(staleness);
        }
      }
    }
    to.seen.set(id, numbers);
    to.newest.set(id, leaseOf(batch.id));
    // Nobody else holds it.
    for (const other of to.held) if (batchOf(other.batch.id) === id) expect(other.until).toBeLessThanOrEqual(now);
    to.held.push({ batch, numbers, until: now + LEASE_MS });
    return true;
  }

  async function settle(name: Run, place: number, how: "ack" | "nack" | "ack twice"): Promise<void> {
    const to = watched[name];
    const [one] = to.held.splice(place, 1);
    const { batch, numbers } = one!;
    const isPassed = to.newest.get(batchOf(batch.id))! > leaseOf(batch.id);
    try {
      const answer = await store.update(name, (state) =>
        how === "nack" ? nackBatch(state, batch.id) : ackBatch(state, batch.id, now),
      );
      expect(isPassed).toBe(false);
      if (answer === "acked") for (const number of numbers) to.acked.add(number);
      if (how === "ack twice")
        expect(await store.update(name, (state) => ackBatch(state, batch.id, now))).toBe("acked");
    } catch (error) {
      if (!(error instanceof LachesisError)) throw error;
      expect([isPassed, ["conflict", "not_found"]]).toEqual([true, expect.arrayContaining([error.code])]);
    }
  }

  async function check(name: Run): Promise<void> {
    const to = watched[name];
    const described = await store.read(name, describeRun);
    const { counts, step: stepNow } = described;
    const filtered: Record<string, number | undefined> = described.filtered;
    const { waiting, aside } = await store.read(name, (state) => ({
      waiting: state.waitingGroups,
      aside: state.aside.size,
    }));
    // Nothing is lost and nothing is there twice: what was taken is waiting, set aside or done with.
    expect(waiting + aside + to.acked.size).toBe(to.taken.size);
    expect(counts.delivered_groups).toBe(to.acked.size);
    expect((filtered.stale ?? 0) + (filtered.larger_than_batch ?? 0)).toBe(aside);
    expect(stepNow).toBe(to.steps);
  }
}

const batchOf = (id: string) => id.split(".")[0]!;
const leaseOf = (id: string) => Number(id.split(".")[1]);

describe("a run", () => {
  const histories = (play: (staleness: number | null, steps: readonly Step[]) => Promise<void>, most: number) =>
    fc.asyncProperty(fc.option(fc.nat(3)), fc.array(step, { maxLength: most }), play);

  it("loses nothing, gives nothing twice, keeps runs apart and batches exact, however often it is read anew", async () => {
    await fc.assert(
      histories((staleness, steps) => play(reloaded(), staleness, steps), 60),
      { numRuns: 200 },
    );
  }, 300_000);

  it("does so on a disk", async () => {
    await fc.assert(
      histories(async (staleness, steps) => {
        const folder = mkdtempSync(join(tmpdir(), "model-"));
        try {
          await play(() => openStore(`sqlite:${join(folder, "api.db")}`), staleness, steps);
        } finally {
          rmSync(folder, { recursive: true });
        }
      }, 25),
      { numRuns: 6 },
    );
  }, 300_000);
});
