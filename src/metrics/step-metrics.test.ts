import { expect, test } from "vitest";
import { conversationText, cutText, MetricHub, StepMetrics, spreadOf, toolErrorLines } from "./index.ts";

const facts = { completionTokens: 10, reward: 1, aborted: false, toolErrors: [], metrics: {} };

test("a step's row has the names that dashboards know, and begins anew afterwards", () => {
  const metrics = new StepMetrics({ split: "train", tableGroups: 1 });
  metrics.group({
    seconds: 2,
    sent: true,
    items: 2,
    table: { item_id: "a", rollouts: [{ messages: [], score: 1 }] },
    rollouts: [
      { ...facts, completionTokens: 10, metrics: { right: 1 } },
      { ...facts, completionTokens: 30, reward: 0, metrics: { right: 0, "own/name": 3 } },
    ],
  });
  metrics.group({
    seconds: 4,
    sent: false,
    items: 4,
    table: { item_id: "b", rollouts: [{ messages: [], score: "timeout" }] },
    rollouts: [
      {
        ...facts,
        reward: null,
        aborted: true,
        toolErrors: [{ turn: 2, tool_name: "t", arguments: "{}", error: "no" }],
      },
    ],
  });
  metrics.group({ seconds: null, sent: true, items: 0, table: null, rollouts: [] });
  metrics.round(0.5, 2);
  const row = metrics.flush();
  expect(row).toMatchObject({
    "train/groups": 3,
    "train/rollouts_finished": 3,
    "train/rollouts_scored": 2,
    "train/completion_lengths": 20,
    "train/completion_lengths_max": 30,
    "train/completion_lengths_p95": 29,
    "train/reward_mean": 0.5,
    "train/tool_errors_count": 1,
    "train/tool_error_details": "[turn 2] t({}) -> no",
    "train/items_sent_to_api": 2,
    "train/items_rejected": 4,
    "train/right": 0.5,
    "own/name": 3,
    "train_perf/task_duration_mean": 3,
    "train_perf/succeeded_task_duration_mean": 2,
    "train_perf/failed_task_duration_max": 4,
    "train_perf/workers_added_per_attempt_mean": 2,
  });
  // Only the newest groups stay in the table.
  expect(row["train/rollouts"]).toContain("b · score timeout");
  expect(row["train/rollouts"]).not.toContain("a · score");
  expect(metrics.isEmpty).toBe(true);
  expect(metrics.flush()).not.toHaveProperty("train/right");
});

test("a sink that fails is left out; the others go on", async () => {
  const rows: number[] = [];
  const hub = new MetricHub([
    { name: "bad", write: () => Promise.reject(new Error("no")) },
    { name: "good", write: (step) => void rows.push(step) },
  ]);
  await hub.log(1, {});
  await hub.log(2, {});
  await hub.close();
  expect(rows).toEqual([1, 2]);
});

test("conversations in the readable form, long parts cut at characters", () => {
  const text = conversationText([
    { role: "system", content: "s" },
    { role: "user", content: "u" },
    {
      role: "assistant",
      content: "a",
      reasoning_content: "t".repeat(400),
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "x".repeat(300) } }],
    },
    { role: "tool", tool_call_id: "1", content: "😀".repeat(600) },
  ]);
  expect(text).toBe(
    [
      "[SYSTEM]\ns",
      "[USER]\nu",
      `[ASSISTANT thinking] ${"t".repeat(300)}...`,
      "[ASSISTANT]\na",
      `[TOOL CALL] f(${"x".repeat(200)}...)`,
      `[TOOL RESULT] ${"😀".repeat(500)}...`,
    ].join("\n\n"),
  );
  expect(cutText("😀😀", 2)).toBe("😀😀");
});

test("spreads and tool-error lines", () => {
  expect(spreadOf([])).toBeNull();
  expect(spreadOf([1, 2, 3, 4])).toEqual({
    mean: 2.5,
    std: Math.sqrt(1.25),
    min: 1,
    max: 4,
    p95: expect.closeTo(3.85),
  });
  const errors = Array.from({ length: 250 }, () => ({ turn: 1, tool_name: "t", arguments: "a\nb", error: "e\n  f" }));
  const lines = toolErrorLines(errors).split("\n");
  expect(lines[0]).toBe("[turn 1] t(a b) -> e f");
  expect(lines.at(-1)).toBe("… and 50 more");
});
