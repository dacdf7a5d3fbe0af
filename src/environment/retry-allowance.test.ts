import fc from "fast-check";
import { expect, test } from "vitest";
import { LachesisError, noUsage } from "../core/index.ts";
import type { ChatCompletion, ChatRequest, ChatServer } from "../inference/index.ts";
import { RetryAllowance } from "./retry-allowance.ts";

/** A server manager in miniature: each attempt succeeds as the script says, and a request is repeated as allowed. */
function manager(attempts: boolean[], perRequest: number) {
  let made = 0;
  const server: ChatServer = {
    async chatCompletion(request: ChatRequest): Promise<ChatCompletion> {
      const retries = Math.min(perRequest, request.max_retries ?? Number.POSITIVE_INFINITY);
      for (let attempt = 1; attempt <= retries + 1; attempt++) {
        if (attempts[made++]) {
          const message = { role: "assistant" as const, content: "" };
          const choices = [{ index: 0, message, finish_reason: "stop" }];
          return { id: "", model: "", choices, usage: noUsage(), latencyMs: 0, attempts: attempt, server: 0 };
        }
      }
      throw new LachesisError("server_error", "broken");
    },
  };
  return { server, made: () => made };
}

/** Runs tries of so many turns until one succeeds, as the engine does. */
async function rollout(attempts: boolean[], perRequest: number, rolloutRetries: number, turns: number) {
  const { server, made } = manager(attempts, perRequest);
  const allowance = new RetryAllowance(perRequest);
  for (let tries = 0; tries <= rolloutRetries; tries++) {
    const seen = allowance.server(server);
    try {
      for (let turn = 0; turn < turns; turn++) await seen.chatCompletion({ messages: [] });
      return { made: made(), succeeded: true };
    } catch (error) {
      if (!(error instanceof LachesisError)) throw error;
    }
  }
  return { made: made(), succeeded: false };
}

test("a server that is down costs the sum of the retries, not their product", async () => {
  expect(await rollout([], 3, 2, 1)).toEqual({ made: 1 + 3 + 2, succeeded: false });
  expect(await rollout([], 0, 2, 1)).toEqual({ made: 3, succeeded: false });
});

test("a healthy server has all retries of every request", async () => {
  const flaky = [false, false, true, false, false, true, false, false, true];
  expect(await rollout(flaky, 2, 0, 3)).toEqual({ made: 9, succeeded: true });
});

test("failures of a rollout are bounded by a sum, whatever fails when", async () => {
  const numbers = fc.tuple(fc.nat(4), fc.nat(4), fc.integer({ min: 1, max: 4 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { maxLength: 60 }),
      numbers,
      async (attempts, [requests, rollouts, turns]) => {
        const { made } = await rollout(attempts, requests, rollouts, turns);
        const failures = made - attempts.slice(0, made).filter(Boolean).length;
        expect(failures).toBeLessThanOrEqual(turns * requests + 1 + requests + rollouts);
      },
    ),
  );
});
