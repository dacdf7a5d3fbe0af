/** An environment for tests that interrupt it as a program: what hangs is chosen by `env.hangs_in`. */
import { appendFileSync } from "node:fs";
import { z } from "zod";
import type { ToolContext } from "../agent/index.ts";
import { AgentEnv } from "./agent-env.ts";

const Config = AgentEnv.Config.extend({
  hangs_in: z.enum(["setup", "items", "reward"]).describe("Where it never comes back"),
  log: z.string().describe("File that gets a line for each hook"),
});

const forever = () => new Promise<never>(() => setInterval(() => {}, 1000));

export default class SlowEnv extends AgentEnv<typeof Config, { id: string }> {
  static override name = "slow";
  static override Config = Config;
  static override configInit() {
    return { env: { enabled_toolsets: ["terminal"] } };
  }

  override async setup() {
    this.#note("setup");
    if (this.config.hangs_in === "setup") await forever();
  }

  override async onStop() {
    this.#note("stop");
  }

  async getNextItem() {
    this.#note("items");
    return this.config.hangs_in === "items" ? forever() : { id: "one" };
  }

  formatPrompt() {
    return "Hi";
  }

  async computeReward(_item: unknown, _result: unknown, ctx: ToolContext) {
    const { output } = await ctx.terminal("(trap '' TERM INT; exec sleep 987654) & echo $$");
    this.#note(`reward ${output.trim()}`);
    return forever();
  }

  #note(what: string): void {
    appendFileSync(this.config.log, `${what}\n`);
  }
}

SlowEnv.cli(import.meta);
