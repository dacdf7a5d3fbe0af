/** Rollouts for the tests of the tools: on every backend that works on this machine, closed after each test. */
import { afterEach } from "vitest";
import { createSandbox, probeSandbox, type Sandbox } from "../sandbox/index.ts";
import { createPlainSandbox } from "../sandbox/plain/index.ts";
import type { Tool } from "./contract.ts";
import { createToolHandler } from "./dispatch.ts";
import { ResultBudget } from "./result-budget.ts";
import { RolloutTools, type RolloutToolsOptions } from "./rollout-context.ts";

const { works, reason } = await probeSandbox();
if (!works) process.stderr.write(`The tools are tested on plain processes only: ${reason}\n`);

export const BACKENDS: { backend: string; create(): Promise<Sandbox> }[] = [
  { backend: "plain", create: () => createPlainSandbox() },
  ...(works ? [{ backend: "local", create: () => createSandbox({ backend: "local", require_sandbox: true }) }] : []),
];

const open: RolloutTools[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((rollout) => rollout.close()));
});

export function rolloutOn(
  create: () => Promise<Sandbox>,
  options: Partial<Omit<RolloutToolsOptions, "createSandbox">> = {},
): RolloutTools {
  const rollout = new RolloutTools({ rolloutId: "test", createSandbox: create, ...options });
  open.push(rollout);
  return rollout;
}

/** Calls tools as the agent loop does and gives the parsed result. */
export function callerOf(rollout: RolloutTools, tools: readonly Tool[]) {
  const handler = createToolHandler({ tools, context: rollout, budget: new ResultBudget() });
  let calls = 0;
  return async <Result = Record<string, unknown>>(
    name: string,
    args: unknown,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Result> => {
    const { content } = await handler.execute(
      { id: `call_${++calls}`, type: "function", function: { name, arguments: JSON.stringify(args) } },
      { turn: 1, index: 0, signal },
    );
    return JSON.parse(content) as Result;
  };
}
