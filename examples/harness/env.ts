/**
 * An environment whose agent is a program of its own (agent.mjs) instead of the built-in loop. The program runs in the
 * rollout's sandbox, which has no network; its model calls reach the rollout's session and are captured token by token.
 *
 *     node examples/harness/env.ts process --env.total_steps 1
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { AgentEnv, type AgentResult, type Rollout, type ToolContext } from "lachesis";
import { createSandbox } from "lachesis/sandbox";

const AGENT = fileURLToPath(new URL("agent.mjs", import.meta.url));
const WORDS = ["apple", "river", "stone", "cloud"];

interface Item {
  id: string;
  word: string;
}

export default class HarnessExample extends AgentEnv<typeof AgentEnv.Config, Item> {
  static override name = "harness-example";

  static override configInit() {
    return {
      env: {
        harness: "command",
        harness_command: `"${process.execPath}" /tmp/agent.mjs`,
        max_agent_turns: 6,
        max_token_length: 256,
        group_size: 2,
        total_steps: 2,
      },
      openai: [{ server_type: "embedded" }],
    };
  }

  #next = 0;

  override async getNextItem(): Promise<Item> {
    const word = WORDS[this.#next++ % WORDS.length]!;
    return { id: word, word };
  }

  formatPrompt({ word }: Item) {
    return `Create a file called note.txt with the content "${word}".`;
  }

  /** The program is a Node program: its runtime is shown, and the socket to its model passed on. */
  protected override createSandbox(_item: Item, rollout: Rollout, signal: AbortSignal) {
    const { id, sockets = {} } = rollout;
    return createSandbox({ label: id, signal, sockets, readonly_paths: [dirname(process.execPath)] });
  }

  override async setupTrajectoryWorkspace(_item: Item, _id: string, ctx: ToolContext) {
    await ctx.uploadFile(AGENT, "/tmp/agent.mjs");
    return undefined;
  }

  async computeReward({ word }: Item, _result: AgentResult, ctx: ToolContext) {
    const { output } = await ctx.terminal("cat note.txt 2>/dev/null");
    return output.trim() === word;
  }
}

HarnessExample.cli(import.meta);
