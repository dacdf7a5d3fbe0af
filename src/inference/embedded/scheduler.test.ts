import { afterAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../core/index.ts";
import { CheckpointFolders } from "./checkpoint.fixture.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import type { GenerateJob, Job, JobResult } from "./jobs.ts";
import { Scheduler } from "./scheduler.ts";

const folders = new CheckpointFolders();
afterAll(() => folders.remove());
const network = await loadCheckpoint(folders.random(7), null);
const random = seededRandom(5);
const prompt = (length: number) => Array.from({ length }, () => 3 + Math.floor(random() * 37));
const job = (tokens: number[], seed: number, more: Partial<GenerateJob> = {}): GenerateJob => ({
  kind: "generate",
  tokens,
  maxTokens: 12,
  sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, seed },
  stopTokens: [2],
  topLogprobs: 0,
  stream: false,
  ...more,
});

function scheduler(cacheTokens: number) {
  const results = new Map<number, JobResult>();
  const made = new Scheduler(network, 1, cacheTokens, {
    token: () => undefined,
    done: (id, result) => results.set(id, result),
  });
  const run = () => {
    for (let steps = 0; made.busy; steps++) {
      if (steps > 10_000) throw new Error("the scheduler does not end");
      made.step();
    }
  };
  return { made, results, run };
}

/** One job after the other, each in a scheduler of its own. */
function alone(jobs: Job[]): JobResult[] {
  return jobs.map((one) => {
    const { made, results, run } = scheduler(0);
    made.add(1, one);
    run();
    return results.get(1)!;
  });
}

const shared = prompt(40);
const jobs = Array.from({ length: 50 }, (_, index) => job([...shared, ...prompt(index % 9)], index));

describe("Scheduler", () => {
  it("gives bit for bit the same answers with the prefix cache on and off, together and alone", () => {
    const expected = alone(jobs);
    for (const cacheTokens of [0, 64, 4096]) {
      const { made, results, run } = scheduler(cacheTokens);
      jobs.forEach((one, id) => {
        made.add(id, one);
      });
      run();
      const answers = jobs.map((_, id) => ({ ...results.get(id)!, cachedTokens: 0 }));
      expect(answers).toEqual(expected);
      const hits = [...results.values()].filter((result) => result.kind === "generate" && result.cachedTokens > 0);
      expect(hits.length).toBe(cacheTokens === 0 ? 0 : 49);
    }
  });

  it("continues an answer from the cache with what the prompt alone would give", () => {
    const { made, results, run } = scheduler(4096);
    made.add(1, jobs[0]!);
    run();
    const first = results.get(1)!;
    if (first.kind !== "generate") throw new Error("unexpected");
    const longer = job([...jobs[0]!.tokens, ...first.tokens, ...prompt(6)], 9);
    made.add(2, longer);
    run();
    expect(results.get(2)).toMatchObject({ cachedTokens: 48 });
    expect({ ...results.get(2)!, cachedTokens: 0 }).toEqual(alone([longer])[0]);
  });

  it("scores a prompt with exactly the log-probabilities with which it was sampled", () => {
    const { made, results, run } = scheduler(4096);
    made.add(1, job(shared, 4, { topLogprobs: 2 }));
    run();
    const sampled = results.get(1)!;
    if (sampled.kind !== "generate") throw new Error("unexpected");
    made.add(2, { kind: "prompt", tokens: [...shared, ...sampled.tokens], topK: 2 });
    run();
    const scored = results.get(2)!;
    if (scored.kind !== "prompt") throw new Error("unexpected");
    expect(scored.logprobs.slice(shared.length)).toEqual(sampled.logprobs);
    expect(scored.topIds.slice(shared.length)).toEqual(sampled.top.map((top) => top.ids));
    expect(scored.logprobs[0]).toBeNull();
    expect(scored.topIds).toHaveLength(scored.logprobs.length);
  });

  it("ends each job on the weights that were current when it came", async () => {
    const other = await loadCheckpoint(folders.random(8), null);
    const { made, results, run } = scheduler(4096);
    made.add(1, jobs[1]!);
    made.step();
    made.swap(other, 2);
    made.add(2, jobs[1]!);
    run();
    expect(results.get(1)).toEqual(alone([jobs[1]!])[0]);
    expect(results.get(2)).toMatchObject({ weightVersion: 2, cachedTokens: 0 });
    const first = results.get(1)!;
    const second = results.get(2)!;
    expect(second.kind === "generate" && first.kind === "generate" && second.logprobs[0] !== first.logprobs[0]).toBe(
      true,
    );
  });

  it("forgets what is cancelled, ends what is stopped, and fills the context at most", () => {
    const { made, results, run } = scheduler(0);
    made.add(1, jobs[0]!);
    made.add(2, jobs[1]!);
    made.add(3, job(prompt(90), 1, { maxTokens: null, stopTokens: [] }));
    made.add(4, job(shared, 1, { maxTokens: null, stopTokens: [] }));
    made.step();
    made.cancel(1);
    made.cancel(2);
    for (let steps = 0; steps < 8; steps++) made.step();
    made.stop(4);
    run();
    expect([...results.keys()].sort()).toEqual([3, 4]);
    expect(results.get(3)).toMatchObject({ finishReason: "length", tokens: { length: 6 } });
    expect(results.get(4)).toMatchObject({ finishReason: "stop" });
  });

  it.each([
    ["an unknown token", [5, 40], "token_unknown"],
    ["a negative token", [-1], "token_unknown"],
    ["a broken token", [1.5], "token_unknown"],
    ["no tokens", [], "bad_request"],
    ["more tokens than the context holds", prompt(96), "prompt_too_long"],
  ])("refuses %s", (_what, tokens, code) => {
    const { made } = scheduler(0);
    expect(() => made.add(1, job(tokens, 1))).toThrow(expect.objectContaining({ code }));
    expect(made.busy).toBe(false);
  });
});
