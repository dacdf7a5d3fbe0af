import { expect, test } from "vitest";
import { noUsage } from "../core/index.ts";
import type { ChatRequest } from "../inference/index.ts";
import { judgeServer } from "./judge-server.ts";
import { measuring } from "./metric-scope.ts";

const question = (content: string): ChatRequest => ({ messages: [{ role: "user", content }] });

test("one question per rollout is asked once; failures are asked again, other rollouts ask for themselves", async () => {
  const asked: unknown[] = [];
  const judge = judgeServer({
    chatCompletion: async ({ messages }) => {
      asked.push(messages[0]?.content);
      if (asked.length === 1) throw new Error("busy");
      return {
        id: String(asked.length),
        model: "judge",
        choices: [],
        usage: noUsage(),
        latencyMs: 0,
        attempts: 1,
        server: 0,
      };
    },
  });
  const rollout = new Map<string, Promise<unknown>>();
  const ask = (content: string, scope: typeof rollout | null = rollout) =>
    measuring([], () => judge.chatCompletion({ ...question(content), signal: new AbortController().signal }), scope);
  await expect(ask("a")).rejects.toThrow("busy");
  const [first, second] = await Promise.all([ask("a"), ask("a")]);
  expect(first).toBe(second);
  await ask("b");
  await ask("a", new Map());
  await ask("a", null);
  expect(asked).toEqual(["a", "a", "b", "a", "a"]);
});
