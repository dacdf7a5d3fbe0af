/**
 * `npm run demo`: a real language model (the embedded one, 0.4 M parameters) solves real tasks in isolated sandboxes, with
 * no key and no network. It runs terminal-test as `lachesis process` would, and tells in a few lines what happened.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { textOf } from "lachesis";
import { resolveConfig } from "lachesis/config";
import { runProcess } from "lachesis/environment";
import { conversationText } from "lachesis/metrics";
import { probeSandbox } from "lachesis/sandbox";
import TerminalTestEnv from "../environments/terminal-test/env.ts";
import { whenNpmEnds } from "./end-with-npm.ts";

interface Group {
  item_id: string;
  scores: number[];
  messages: Parameters<typeof conversationText>[0][];
  tokens: number[][];
  rollouts: { turns_used: number }[];
}

const GROUPS = 6;
whenNpmEnds(() => process.kill(process.pid, "SIGTERM"));
const started = performance.now();
const runDir = join("runs", `demo-${new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "")}`);

say("Lachesis demo: terminal-test on the embedded model");
say(
  "A tiny language model is asked to write files. It answers with tool calls; each attempt runs in a sandbox of its own;",
);
say("a verifier reads the file and gives the reward.\n");
const sandbox = await probeSandbox();
say(
  sandbox.works ? "Sandbox: isolated by namespaces of this kernel." : `Sandbox: NOT isolated here. ${sandbox.reason}`,
);

const resolved = await resolveConfig({
  schema: TerminalTestEnv.Config,
  configInit: () => TerminalTestEnv.configInit(),
  mode: {
    name: "demo",
    env: { total_steps: GROUPS, group_size: 4, seed: 7, ensure_scores_are_not_same: false, include_messages: true },
  },
});
const code = await runProcess(TerminalTestEnv, resolved, { runDir, argv: [], print: () => {} });

const groups = readFileSync(join(runDir, "groups.jsonl"), "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Group);
const scores = groups.flatMap((group) => group.scores);

say(
  `\n${groups.length} groups of ${groups[0]?.scores.length ?? 0} attempts (✓ the file holds exactly what was asked for):`,
);
for (const group of groups) {
  const marks = group.scores.map((score) => (score === 1 ? "✓" : "✗")).join(" ");
  say(`  ${marks}   ${shortened(promptOf(group))}`);
}
const shown = groups.find((group) => group.scores.includes(1));
if (shown) {
  say("\nOne attempt that succeeded:\n");
  say(indented(conversationText(shown.messages[shown.scores.indexOf(1)]!)));
}
const mean = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
const trained = groups.flatMap((group) => group.tokens).reduce((sum, tokens) => sum + tokens.length, 0);
say(
  `\nMean reward: ${mean.toFixed(3)} over ${scores.length} rollouts, in ${((performance.now() - started) / 1000).toFixed(1)} s`,
);
say(
  `Written: ${relative(process.cwd(), join(runDir, "groups.jsonl"))} (${trained} exact tokens, with masks and log-probabilities)`,
);
say(`Report:  ${relative(process.cwd(), join(runDir, "report.html"))} (open it in a browser)`);
say("\nTry next:");
say("  npx lachesis evaluate environments/terminal-test/env.ts --env.eval_size 100");
say(
  "  npx lachesis process environments/terminal-test/env.ts --openai.base_url http://localhost:8000/v1 --openai.model_name MODEL",
);
say("  npx lachesis init my-env      an environment of your own, with its test");
process.exit(code);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function promptOf(group: Group): string {
  return textOf(group.messages[0]?.find(({ role }) => role === "user")?.content ?? "");
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 96 ? `${line.slice(0, 93)}...` : line;
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
