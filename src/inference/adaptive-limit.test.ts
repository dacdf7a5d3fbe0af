/** The limit against models of servers: a capacity, a healthy one, one that grows slow. Time is simulated. */
import { describe, expect, test } from "vitest";
import { AdaptiveLimit } from "./adaptive-limit.ts";

/** One round of requests against a server that takes `capacity` at once and refuses the rest. */
function round(limit: AdaptiveLimit, capacity: number, now: number): number {
  const sent = limit.limit;
  let inFlight = sent;
  const refused = Math.max(0, sent - capacity);
  for (let i = 0; i < refused; i++) limit.refused(now, inFlight--);
  for (let i = 0; i < sent - refused; i++) limit.succeeded(now + 1000, 1000, 100);
  return refused;
}

describe("a server with a capacity", () => {
  test("one burst finds it, and few requests are refused afterwards", () => {
    const limit = new AdaptiveLimit(576, 0);
    expect(round(limit, 40, 0)).toBe(536);
    expect(limit.limit).toBeGreaterThanOrEqual(38);
    expect(limit.limit).toBeLessThanOrEqual(42);
    let refused = 0;
    let sent = 0;
    for (let i = 1; i <= 100; i++) {
      sent += limit.limit;
      refused += round(limit, 40, i * 1000);
    }
    expect(refused / sent).toBeLessThan(0.05);
    expect(sent / 100).toBeGreaterThan(36);
  });

  test("when the capacity comes back, so does the limit, in few rounds", () => {
    const limit = new AdaptiveLimit(576, 0);
    round(limit, 1, 0);
    expect(limit.limit).toBeLessThan(5);
    let rounds = 0;
    while (limit.limit < 576 && rounds < 100) round(limit, 1e9, ++rounds * 1000);
    expect(rounds).toBeLessThan(25);
    expect(limit.history.map((change) => change.reason)).toContain("recovered");
  });

  test("never under one, never over the most", () => {
    const limit = new AdaptiveLimit(4, 0);
    for (let i = 0; i < 50; i++) limit.refused(i, 1);
    expect(limit.limit).toBe(1);
    for (let i = 0; i < 500; i++) limit.succeeded(i, 1, 1);
    expect(limit.limit).toBe(4);
  });
});

describe("time", () => {
  test("time-outs of requests that were in flight together count once", () => {
    const limit = new AdaptiveLimit(100, 0);
    for (let i = 0; i < 100; i++) limit.timedOut(5000, 0);
    expect(limit.limit).toBe(70);
    limit.timedOut(9000, 6000);
    expect(limit.limit).toBe(49);
  });

  test("latency that multiplies without more throughput lowers it, to a quarter at most", () => {
    const limit = new AdaptiveLimit(64, 0);
    let now = 0;
    const serve = (count: number, ms: number, gap: number) => {
      for (let i = 0; i < count; i++) {
        now += gap;
        limit.succeeded(now, ms, 100);
      }
    };
    serve(64 * 4, 1000, 10);
    expect(limit.limit).toBe(64);
    serve(64 * 2, 9000, 40);
    expect(limit.limit).toBeLessThan(64);
    expect(limit.history.at(-1)?.reason).toBe("latency");
    serve(64 * 40, 50_000, 200);
    expect(limit.limit).toBeGreaterThanOrEqual(16);
  });

  test("a slower server with more throughput, or the first rounds, change nothing", () => {
    const limit = new AdaptiveLimit(64, 0);
    let now = 0;
    for (let i = 0; i < 512; i++) {
      const fast = i < 256;
      now += fast ? 10 : 5;
      limit.succeeded(now, fast ? 1000 : 9000, 100);
    }
    expect(limit.limit).toBe(64);
  });
});

test("the history is bounded and keeps its start", () => {
  const limit = new AdaptiveLimit(1000, 0);
  for (let i = 0; i < 5000; i++) {
    limit.refused(i * 1000, 500);
    for (let k = 0; k < 600; k++) limit.succeeded(i * 1000 + 600, 1, 1);
  }
  expect(limit.history.length).toBeLessThanOrEqual(500);
  expect(limit.history[0]?.reason).toBe("start");
});
