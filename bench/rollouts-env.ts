/**
 * The environment that the rollout benchmark drives: a tool that does nothing, an answer, a constant reward. It uses the compiled
 * library, as an environment of a user does.
 */
import { writeFileSync } from "node:fs";
import { AgentEnv, defineTool, z } from "lachesis";

interface Item {
  id: number;
}

const noop = defineTool({
  name: "noop",
  description: "Does nothing.",
  toolset: "bench",
  parameters: z.object({ step: z.int() }),
  execute: async () => "{}",
});

export default class RolloutsEnv extends AgentEnv<typeof AgentEnv.Config, Item> {
  static override name = "bench-rollouts";
  static override tools = [noop];
  static override configInit() {
    return { env: { enabled_toolsets: ["bench"], ensure_scores_are_not_same: false } };
  }

  #next = 0;

  async getNextItem(): Promise<Item> {
    return { id: this.#next++ };
  }

  formatPrompt(): string {
    return "Begin.";
  }

  async computeReward(): Promise<number> {
    return 1;
  }
}

/** What the process used in all, from its first instruction to its last. */
process.on("exit", () => {
  const file = process.env.LACHESIS_BENCH_OUT;
  if (file === undefined) return;
  const { user, system } = process.cpuUsage();
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  writeFileSync(file, JSON.stringify({ cpuMs: (user + system) / 1000, peakRssMb }));
});

RolloutsEnv.cli(import.meta);
