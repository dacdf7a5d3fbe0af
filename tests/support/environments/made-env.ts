/**
 * An environment for tests of `serve`, run as a program: its rollouts are made up (tokens say which item and member
 * they are), so that it costs nothing and every group can be told apart. It writes down what began and ended when.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { LachesisError } from "../../../src/core/index.ts";
import { BaseEnv } from "../../../src/environment/base-env.ts";
import type { Rollout } from "../../../src/environment/rollout.ts";

const Config = BaseEnv.Config.extend({
  items: z.int().default(1_000_000).describe("How many items there are"),
  first: z.int().default(0).describe("Number of the first item"),
  delay_ms: z.number().default(5).describe("How long a rollout takes"),
  eval_ms: z.number().default(100).describe("How long an attempt of an evaluation takes"),
  equal_every: z.int().default(0).describe("Every so many items all scores of the group are equal"),
  hang_every: z.int().default(0).describe("Every so many items the first try of a rollout never ends"),
  stateful: z.boolean().default(false).describe("Has a checkpoint"),
});

interface Item {
  id: string;
  number: number;
}

export default class MadeEnv extends BaseEnv<typeof Config, Item> {
  static override name = "made";
  static override Config = Config;
  #next = 0;
  readonly #hung = new Set<string>();

  override async setup() {
    this.evalItems = Array.from({ length: 4 }, (_, number) => ({ id: `held-${number}`, number }));
    this.#note({ event: "setup" });
  }

  override async getNextItem() {
    const number = this.config.first + this.#next;
    if (this.#next >= this.config.items) return null;
    this.#next++;
    return { id: `i${number}`, number };
  }

  override async collectTrajectory(item: Item, rollout: Rollout) {
    const { number } = item;
    const isEval = rollout.split === "eval";
    const every = (steps: number) => !isEval && steps > 0 && number % steps === steps - 1;
    this.#note({ event: "begin", id: rollout.id, split: rollout.split });
    if (every(this.config.hang_every) && !this.#hung.has(rollout.id)) {
      this.#hung.add(rollout.id);
      await sleep(1_000_000, undefined, { signal: rollout.signal });
    }
    try {
      await sleep(isEval ? this.config.eval_ms : this.config.delay_ms, undefined, { signal: rollout.signal });
    } catch {
      throw new LachesisError("cancelled", "The rollout was cancelled.");
    }
    this.#note({ event: "end", id: rollout.id, split: rollout.split });
    this.metric("seen", 1);
    return {
      messages: [{ role: "assistant" as const, content: `${item.id}` }],
      reward: every(this.config.equal_every) ? 1 : rollout.member,
      sequences: [
        {
          tokens: [1, number + 10, rollout.member],
          masks: [-100, number + 10, rollout.member],
          inference_logprobs: [1, -0.5, -0.25],
        },
      ],
    };
  }

  override async checkpoint() {
    return this.config.stateful ? { next: this.#next } : undefined;
  }

  override async restore(state: Record<string, unknown>) {
    this.#next = Number(state.next);
    this.#note({ event: "restored", next: this.#next });
  }

  #note(what: Record<string, unknown>) {
    appendFileSync(join(this.runDir, "events.jsonl"), `${JSON.stringify({ at: Date.now(), ...what })}\n`);
  }
}

MadeEnv.cli(import.meta);
