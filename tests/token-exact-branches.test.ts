/** One rollout with several sequences, from the run's command to groups.jsonl: the rows say which belong together. */
import { expect, test } from "vitest";
import TerminalTestEnv from "../environments/terminal-test/env.ts";
import type { ChatMessage } from "../src/core/index.ts";
import { runEnvironment } from "./support/run-environment.ts";

interface Group {
  scores: number[];
  tokens: number[][];
  masks: number[][];
  inference_logprobs: number[][];
  rollout_ids: string[];
  token_source: string;
  rollouts: { rollout_id: string; usage: { completion_tokens: number }; outcome: { reward: number } }[];
}

type Collect = TerminalTestEnv["collectTrajectory"];

/** Completion tokens that each rollout's own calls sampled, beside the loop's. */
const aside = new Map<string, number>();

/** Before its loop, each rollout asks a sub-agent, goes on with it, rewrites its history and compacts it. */
class BranchingEnv extends TerminalTestEnv {
  override async collectTrajectory(...[item, rollout]: Parameters<Collect>): ReturnType<Collect> {
    const ask = async (messages: ChatMessage[]) => {
      const { choices, usage } = await rollout.session.server.chatCompletion({
        messages,
        max_tokens: 8,
        temperature: 1,
        signal: rollout.signal,
      });
      aside.set(rollout.id, (aside.get(rollout.id) ?? 0) + usage.completion_tokens);
      return choices[0]!.message;
    };
    const opening: ChatMessage[] = [
      { role: "system", content: "You help another agent." },
      { role: "user", content: "Name a colour." },
    ];
    const answer = await ask(opening);
    await ask([...opening, answer, { role: "user", content: "Another one." }]);
    await ask([...opening, { role: "assistant", content: "Edited." }, { role: "user", content: "Another one." }]);
    await ask([opening[0]!, { role: "user", content: "So far: colours were named. Go on." }]);
    return super.collectTrajectory(item, rollout);
  }
}

test("sub-agents, rewritten and compacted histories are rows of their rollout", { timeout: 180_000 }, async () => {
  const { code, lines } = await runEnvironment(BranchingEnv, {
    env: { total_steps: 1, group_size: 2, max_token_length: 128, ensure_scores_are_not_same: false },
    openai: { server_type: "embedded" },
  });
  expect(code).toBe(0);
  const groups = lines("groups.jsonl") as unknown as Group[];
  expect(groups).toHaveLength(1);
  for (const { tokens, masks, inference_logprobs, scores, rollout_ids, rollouts, token_source } of groups) {
    expect(token_source).toBe("sampled");
    expect([masks.length, inference_logprobs.length, scores.length, rollout_ids.length]).toEqual(
      Array(4).fill(tokens.length),
    );
    expect(rollouts.map(({ rollout_id }) => rollout_id).sort()).toEqual([...new Set(rollout_ids)].sort());
    for (const { rollout_id, usage, outcome } of rollouts) {
      const rows = rollout_ids.flatMap((id, row) => (id === rollout_id ? [row] : []));
      // The sub-agent that was gone on with is one; the edit, the compaction and the loop are one each.
      expect(rows.length).toBeGreaterThanOrEqual(4);
      expect(new Set(rows.map((row) => scores[row]))).toEqual(new Set([outcome.reward]));
      const trained = rows.flatMap((row) => masks[row]!.filter((mask) => mask !== -100));
      expect(trained).toHaveLength(usage.completion_tokens + aside.get(rollout_id)!);
      for (const row of rows) {
        masks[row]!.forEach((mask, position) => {
          if (mask === -100 ? inference_logprobs[row]![position] !== 1 : mask !== tokens[row]![position])
            throw new Error(`row ${row} is not aligned at ${position}`);
        });
      }
    }
  }
});
