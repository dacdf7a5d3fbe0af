/**
 * Several finished runs in one picture and one table: `node examples/trainer/compare-runs.ts RUN_DIR… > learning.svg`. Each
 * folder holds a metrics.jsonl; the picture goes to standard output, the table (Markdown) to standard error.
 */
import { basename, join } from "node:path";
import { MetricsFile, type MetricsRow } from "./metrics.ts";
import { verdictOf } from "./reward-plot.ts";

const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 50;
const TOP = 40;
const COLOURS = ["#3b6fb6", "#d1762c", "#3f9a59", "#b5495b", "#7d63a8", "#7a6a4f"];
const TARGET = 0.15;

interface Run {
  name: string;
  rows: MetricsRow[];
}

const runs: Run[] = [];
for (const folder of process.argv.slice(2)) {
  runs.push({ name: basename(folder), rows: await new MetricsFile(join(folder, "metrics.jsonl")).rows() });
}
if (runs.length === 0 || runs.some(({ rows }) => rows.length === 0)) {
  process.stderr.write(
    "node examples/trainer/compare-runs.ts RUN_DIR…: each folder needs a metrics.jsonl with steps\n",
  );
  process.exit(2);
}
process.stdout.write(picture());
process.stderr.write(table());

function picture(): string {
  const steps = Math.max(...runs.flatMap(({ rows }) => rows.map(({ step }) => step)));
  const x = (step: number) => round(LEFT + ((step - 1) / Math.max(1, steps - 1)) * (WIDTH - LEFT - 20));
  const y = (reward: number) => round(TOP + (1 - Math.min(1, Math.max(0, reward))) * (HEIGHT - TOP - 40));
  const line = (points: (readonly [number, number])[]) =>
    points.map(([step, value]) => `${x(step)},${y(value)}`).join(" ");
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (value) =>
      `<line x1="${LEFT}" x2="${WIDTH - 20}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>` +
      `<text x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
  );
  const ticks = Array.from({ length: Math.floor(steps / 5) }, (_, index) => (index + 1) * 5).map(
    (step) => `<text x="${x(step)}" y="${HEIGHT - 20}" text-anchor="middle">${step}</text>`,
  );
  const thin = runs.map(
    ({ rows }, index) =>
      `<polyline points="${line(rows.map((row) => [row.step, row.mean_reward]))}" fill="none" stroke="${colour(index)}" stroke-opacity="0.55"/>`,
  );
  const means = Array.from({ length: steps }, (_, index) => index + 1).flatMap((step) => {
    const values = runs.flatMap(({ rows }) => rows.filter((row) => row.step === step).map((row) => row.mean_reward));
    return values.length === 0 ? [] : [[step, values.reduce((sum, value) => sum + value, 0) / values.length] as const];
  });
  const names = runs.map(
    ({ name }, index) =>
      `<text x="${WIDTH - 120}" y="${HEIGHT - 140 + 18 * index}" fill="${colour(index)}">${name.replace(/[&<>]/g, "")}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="22" font-size="14">Mean reward by step, ${runs.length} seeds; thick: their mean</text>`,
    ...grid,
    ...ticks,
    `<text x="${WIDTH - 20}" y="${HEIGHT - 4}" text-anchor="end">step</text>`,
    ...thin,
    `<polyline points="${line(means)}" fill="none" stroke="#222" stroke-width="3"/>`,
    ...names,
    "</svg>",
    "",
  ].join("\n");
}

function table(): string {
  const rows = runs.map(({ name, rows }) => {
    const verdict = verdictOf(rows, TARGET);
    const cells = verdict
      ? [verdict.first.toFixed(3), verdict.last.toFixed(3), `+${verdict.difference.toFixed(3)}`.replace("+-", "−")]
      : ["too few steps", "", ""];
    return `| ${[name, rows.length, ...cells].join(" | ")} |`;
  });
  return ["| run | steps | first 10 | last 10 | difference |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
