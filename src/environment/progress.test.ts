import { expect, test } from "vitest";
import { noUsage } from "../core/index.ts";
import type { Outcome, RolloutRecord } from "../evaluation/index.ts";
import { ServerManager } from "../inference/index.ts";
import { duration, Progress } from "./progress.ts";
import { RunControl } from "./run-control.ts";
import { continueCommand } from "./run-end.ts";
import { RunTotals } from "./run-totals.ts";

function record(outcome: Outcome): RolloutRecord {
  return {
    type: "rollout",
    item_id: "a",
    group_id: "a",
    rollout_id: "a/0",
    member: 0,
    seed: 1,
    outcome,
    stop_reason: "completed",
    turns_used: 1,
    usage: { ...noUsage(), completion_tokens: 10 },
    timings: { started_at: "", total_ms: 1, model_ms: 1, tool_ms: 0, reward_ms: 0 },
    tool_errors: [],
    tries: 1,
  };
}

const broken: Outcome = {
  kind: "aborted",
  error: { code: "server_error", message: "500", fault: "server", retryable: true },
};

test("the line shows the mean of the scored beside the mean with errors as 0", async () => {
  const totals = new RunTotals();
  totals.planned = 8;
  totals.rollout(record({ kind: "scored", reward: 1 }));
  totals.rollout(record({ kind: "scored", reward: 0.5 }));
  totals.rollout(record(broken));
  totals.rollout(record({ kind: "unscored", reason: "reward_error" }));
  const servers = new ServerManager({ base_url: "http://127.0.0.1:9/v1", health_check: false });
  const written: string[] = [];
  const control = new RunControl();
  const directory = {
    path: "runs/x",
    file: { format: 1 as const, environment: "e", mode: "process" as const, config: {}, started_at: "" },
    resumed: true,
    release: async () => {},
  };
  const progress = new Progress({ totals, servers, control, name: "e", directory }, "process", {
    write: (text: string) => written.push(text),
  });
  progress.start();
  progress.stop();
  await servers.close();
  expect(written[0]).toContain("4 rollouts were finished before");
  expect(written.at(-1)).toMatch(/^4\/8 rollouts · mean 0\.750 \(errors as 0: 0\.375\) · errors 50\.0 %/);
  expect(written.join("")).not.toContain("\u001b");
  expect(totals.rewardFailed).toBe(true);
  expect(totals.unscorable).toEqual([
    { reason: "server_error", kind: "aborted", count: 1, example: "500" },
    { reason: "reward_error", kind: "unscored", count: 1, example: "" },
  ]);
});

test("the command that continues names the directory once, and is safe to paste", () => {
  const command = continueCommand(
    ["process", "my env.ts", "--resume", "--run-dir", "old", "--env.seed=1"],
    "runs/it's",
  );
  expect(command).toMatch(/process 'my env\.ts' --env\.seed=1 --run-dir 'runs\/it'\\''s'$/);
  expect(continueCommand(["process", "--run-dir=old"], "new")).toMatch(/process --run-dir new$/);
});

test("durations", () => {
  expect([duration(0), duration(75), duration(3700)]).toEqual(["0:00", "1:15", "1:01:40"]);
});
