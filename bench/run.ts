/**
 * `npm run bench [-- NAME …]`: each benchmark prints its figures as ratios to a baseline that it measures in the same run.
 * Machines differ and are noisy; only the ratios mean something.
 */
import { existsSync } from "node:fs";

const NAMES = ["sandbox", "rollouts", "model", "api"];
const [name, ...args] = process.argv.slice(2);
const chosen = name === undefined ? NAMES : [name];

for (const benchmark of chosen) {
  const file = new URL(`./${benchmark}.ts`, import.meta.url);
  if (!NAMES.includes(benchmark) || !existsSync(file)) {
    process.stderr.write(`bench: there is no "${benchmark}". There are: ${NAMES.join(", ")}.\n`);
    process.exit(2);
  }
  process.stdout.write(`\n── ${benchmark}\n`);
  const { run } = (await import(file.href)) as { run(args: string[]): Promise<void> };
  await run(args);
}
