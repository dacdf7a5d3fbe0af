/**
 * The files that `lachesis init` writes: a small environment that is complete, runs with the embedded model without any
 * change, and is meant to be rewritten. Every text here is a whole file.
 */

export interface InitNames {
  /** `my-env`: the environment's name and its folder's. */
  name: string;
  /** `MyEnvEnv`: the class. */
  className: string;
  /** `vitest` where the surrounding project uses it, else Node's own test runner. */
  testModule: "vitest" | "node:test";
  /** How the folder is written in commands: `./my-env`. */
  folder: string;
}

/** File contents by name. */
export function initFiles(names: InitNames): Record<string, string> {
  return {
    "env.ts": envFile(names),
    "env.test.ts": testFile(names),
    "default.yaml": yamlFile(names),
    "README.md": readme(names),
  };
}

const envFile = ({ name, className }: InitNames) => `/**
 * ${name}: the agent must write a greeting into a file. Change the items, the prompt and the reward to what you want to
 * measure; everything else (the agent's loop, the sandbox, records, resume) comes with AgentEnv.
 */
import { AgentEnv, type AgentResult, epochs, type ToolContext, z } from "lachesis";

const Config = AgentEnv.Config.extend({
  greeting: z.string().min(1).default("Hello").describe("First word of every greeting"),
});

interface Item {
  id: string;
  path: string;
  text: string;
}

const NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Dennis"];

export default class ${className} extends AgentEnv<typeof Config, Item> {
  static override name = "${name}";
  static override Config = Config;

  /** Settings of this environment; a YAML file and flags win over them. */
  static override configInit() {
    return {
      env: { enabled_toolsets: ["terminal", "file"], group_size: 4, total_steps: 3, max_agent_turns: 8, max_token_length: 512, eval_size: 2 },
      // The small model that comes with Lachesis. For another: --openai.base_url URL --openai.model_name NAME
      openai: [{ server_type: "embedded" }],
    };
  }

  #items: Iterator<Item> | null = null;

  override async setup() {
    const all = NAMES.map((who) => ({
      id: who.toLowerCase(),
      path: \`/tmp/\${who.toLowerCase()}.txt\`,
      text: \`\${this.config.greeting} \${who}\`,
    }));
    // What is evaluated is never trained on.
    this.evalItems = all.slice(0, this.config.eval_size);
    this.#items = epochs(all.slice(this.config.eval_size), this.seed);
  }

  /** The next task; null when there is none left. Here they come round again, in a new order. */
  override async getNextItem() {
    return this.#items?.next().value ?? null;
  }

  override formatPrompt(item: Item) {
    return \`Create a file at \${item.path} containing exactly the text: \${item.text}\`;
  }

  /** Looks into the rollout's own sandbox. Throwing means "could not be scored", which never counts as 0. */
  override async computeReward(item: Item, _result: AgentResult, ctx: ToolContext) {
    const { exit_code, output } = await ctx.terminal(\`cat '\${item.path}'\`);
    return exit_code === 0 && output.trim() === item.text ? 1 : 0;
  }
}

${className}.cli(import.meta);
`;

const testFile = ({ name, testModule }: InitNames) => `import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "${testModule}";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Runs the environment as a user does and gives its exit code and what it wrote. */
function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [here("env.ts"), ...args], { encoding: "utf8", timeout: 120_000 });
  return { status, stdout, stderr };
}

test("${name} makes groups whose rollouts are all scored", { timeout: 120_000 }, () => {
  const runDir = mkdtempSync(join(tmpdir(), "${name}-"));
  try {
    const { status, stderr } = run("process", "--config", here("default.yaml"), "--env.total_steps", "2", "--env.group_size", "2", "--run-dir", runDir);
    assert.equal(status, 0, stderr);
    const groups = readFileSync(join(runDir, "groups.jsonl"), "utf8").trim().split("\\n").map((line) => JSON.parse(line));
    assert.equal(groups.length, 2);
    for (const { rollouts } of groups) {
      assert.equal(rollouts.length, 2);
      for (const { outcome } of rollouts) assert.equal(outcome.kind, "scored");
    }
  } finally {
    rmSync(runDir, { recursive: true });
  }
});

test("${name} refuses a configuration that makes no sense", () => {
  const { status, stderr } = run("process", "--env.greting", "Hi");
  assert.equal(status, 2);
  assert.match(stderr, /Did you mean --env\\.greeting\\?/);
});
`;

const yamlFile = ({
  name,
  folder,
}: InitNames) => `# Settings of ${name} for \`--config ${folder}/default.yaml\`. Flags win over this file, this file over configInit().
# \`npx lachesis config ${folder}/env.ts --config ${folder}/default.yaml\` shows every value and where it came from.
env:
  total_steps: 3
  group_size: 4
  greeting: Hello

# The embedded model needs no key and no network. Another server:
#   base_url: https://openrouter.ai/api/v1
#   model_name: some/model
# Its key is read from the environment or .env (here OPENROUTER_API_KEY).
openai:
  server_type: embedded
`;

const readme = ({ name, folder, testModule }: InitNames) => `# ${name}

The agent is asked to write a greeting into a file; the reward is 1 when the file holds exactly that text.

    npx lachesis process ${folder}/env.ts                     # three groups of four rollouts, into runs/
    npx lachesis evaluate ${folder}/env.ts                    # the held-out items
    npx lachesis config ${folder}/env.ts                      # every setting and where it comes from
    node ${folder}/env.ts process --env.total_steps 10        # the same without the command (Node 22.18 or newer)
    ${testModule === "vitest" ? `npx vitest run ${folder.replace(/^\.\//, "")}` : `node --test ${folder}/env.test.ts`}

It runs with the embedded model as it is. Against another server:

    npx lachesis process ${folder}/env.ts --openai.base_url https://openrouter.ai/api/v1 --openai.model_name some/model

Change \`getNextItem\` (what the tasks are), \`formatPrompt\` (what the agent is told) and \`computeReward\` (what counts).
`;
