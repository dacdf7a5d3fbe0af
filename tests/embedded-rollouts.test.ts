/** The embedded model solves tasks in real sandboxes, and every trained token comes with its log-probability. */
import { expect, test } from "vitest";
import TerminalTestEnv from "../environments/terminal-test/env.ts";
import { runEnvironment } from "./support/run-environment.ts";

test("groups hold aligned tokens, masks and log-probabilities", async () => {
  const { code, lines, output } = await runEnvironment(TerminalTestEnv, {
    env: { total_steps: 3, group_size: 2, max_token_length: 128 },
    openai: { server_type: "embedded" },
  });
  expect(code).toBe(0);
  expect(output).toContain("mean reward");
  const groups = lines("groups.jsonl") as unknown as Group[];
  expect(groups).toHaveLength(3);
  for (const group of groups) {
    expect(group).toMatchObject({ token_source: "sampled" });
    expect(group.tokens).toHaveLength(group.scores.length);
    group.tokens.forEach((tokens, row) => {
      const masks = group.masks[row]!;
      const logprobs = group.inference_logprobs[row]!;
      expect([masks.length, logprobs.length]).toEqual([tokens.length, tokens.length]);
      const trained = masks.filter((id) => id !== -100).length;
      const { usage } = group.rollouts[row]!;
      expect(trained).toBe(usage.completion_tokens);
      masks.forEach((id, position) => {
        if (id === -100) expect(logprobs[position]).toBe(1);
        else {
          expect(id).toBe(tokens[position]);
          expect(logprobs[position]).toBeLessThanOrEqual(0);
        }
      });
    });
  }
  expect(groups.flatMap((group) => group.scores)).toContain(1);
});

interface Group {
  scores: number[];
  tokens: number[][];
  masks: number[][];
  inference_logprobs: number[][];
  rollouts: { usage: { completion_tokens: number } }[];
}
