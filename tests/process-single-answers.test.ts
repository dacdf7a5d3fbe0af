/** A user derives from BaseEnv, answers with single completions, and gets scored groups, metrics and a report. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { type ChatMessage, textOf } from "../src/core/index.ts";
import { BaseEnv, type Rollout } from "../src/environment/index.ts";
import { says, startOpenAIServer } from "./support/openai-server.ts";
import { runEnvironment, temporaryDirectory } from "./support/run-environment.ts";

const Config = BaseEnv.Config.extend({ items: z.int().default(3).describe("items") });

class AddEnv extends BaseEnv<typeof Config, { id: string; question: string; answer: string }> {
  static override name = "add";
  static override Config = Config;
  #next = 0;

  override async setup() {
    this.evalItems = [1, 2, 3].map((n) => ({ id: `eval-${n}`, question: `${n}+1?`, answer: String(n + 1) }));
  }

  override async getNextItem() {
    const n = this.#next++;
    return n < 3 ? { id: `add-${n}`, question: `${n}+${n}?`, answer: String(2 * n) } : null;
  }

  override async collectTrajectory(item: { question: string; answer: string }, rollout: Rollout) {
    const messages: ChatMessage[] = [{ role: "user", content: item.question }];
    const answer = await rollout.session.server.chatCompletion({
      messages,
      signal: rollout.signal,
      split: rollout.split,
    });
    const message = answer.choices[0]!.message;
    const right = textOf(message.content) === item.answer;
    this.metric("right", right ? 1 : 0);
    return { messages: [...messages, message], reward: right };
  }
}

test("process writes groups, journal, metrics and report", async () => {
  const server = await startOpenAIServer(({ body, index }) => {
    const [message] = body.messages as { content: string }[];
    const [a, b] = message!.content.split(/[+?]/).map(Number);
    return says(index % 2 === 0 ? String(a! + b!) : "no idea");
  });
  try {
    const run = await runEnvironment(AddEnv, {
      env: { group_size: 4, total_steps: 10 },
      openai: { base_url: server.baseUrl, model_name: "m" },
    });
    expect(run.code).toBe(0);
    const groups = run.lines("groups.jsonl");
    expect(groups.map((group) => group.item_id)).toEqual(expect.arrayContaining(["add-0", "add-1", "add-2"]));
    expect(groups).toHaveLength(3);
    for (const group of groups) {
      expect(group.scores).toHaveLength(4);
      expect(group.messages).toHaveLength(4);
      expect(group.tokens).toEqual([[], [], [], []]);
      expect((group.rollouts as { outcome: { reward: number } }[]).map((rollout) => rollout.outcome.reward)).toEqual(
        group.scores,
      );
    }
    expect(run.text("groups.jsonl")).toMatch(/"scores":\[[01]\.0,/);
    const rollouts = run.lines("journal.jsonl").filter((line) => line.type === "rollout");
    expect(rollouts).toHaveLength(12);
    expect(rollouts[0]).toMatchObject({ outcome: { kind: "scored" }, turns_used: 1 });
    const measured = run.lines("metrics.jsonl").filter((row) => "train/right" in row);
    expect(measured.length).toBeGreaterThan(0);
    expect(run.output).toContain("mean reward");
    expect(run.text("report.html")).toContain("add-0");
  } finally {
    await server.stop();
  }
});

test("evaluate writes the evaluate_log form and prints a table", async () => {
  const copies = join(temporaryDirectory(), "evals");
  const server = await startOpenAIServer(({ body }) => {
    const [message] = body.messages as { content: string }[];
    return says(message!.content === "1+1?" ? "2" : message!.content === "2+1?" ? "3" : "?");
  });
  try {
    const run = await runEnvironment(AddEnv, {
      mode: "evaluate",
      env: { eval_attempts: 2, data_dir_to_save_evals: copies },
      openai: { base_url: server.baseUrl, model_name: "m" },
    });
    expect(run.code).toBe(0);
    const metrics = JSON.parse(run.text("metrics.json"));
    expect(metrics.results.all["eval/pass_rate"]).toBeCloseTo(2 / 3);
    expect(metrics.results["atropos|add_eval|0"]["eval/pass@2"]).toBeCloseTo(2 / 3);
    expect(metrics.config_general.model_name).toBe("m");
    expect(run.lines("samples.jsonl")).toHaveLength(6);
    expect(run.output).toContain("| pass_rate ");
    expect(run.lines("metrics.jsonl")).toHaveLength(1);
    for (const name of ["metrics.json", "samples.jsonl", "evaluate_config.yaml"]) {
      expect(readFileSync(join(copies, name), "utf8")).toBe(run.text(name));
    }
  } finally {
    await server.stop();
  }
});
