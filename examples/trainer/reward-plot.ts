/** Mean reward by step, drawn in the terminal and as an SVG. Rewards are expected between 0 and 1. */

export interface RewardPoint {
  step: number;
  mean_reward: number;
}

const HEIGHT = 10;
const COLUMNS_PER_STEP = 2;

const BAR_WIDTH = 24;

/** One step as a bar of constant width. */
export function rewardBar(reward: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, reward)) * BAR_WIDTH);
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}

/** Lines of text: ● a step's mean reward, · the mean of it and the four steps before. */
export function rewardText(points: readonly RewardPoint[], steps: number): string[] {
  const width = steps * COLUMNS_PER_STEP;
  const grid = Array.from({ length: HEIGHT + 1 }, () => Array<string>(width).fill(" "));
  const smooth = smoothed(points);
  points.forEach(({ step, mean_reward }, index) => {
    const column = (step - 1) * COLUMNS_PER_STEP;
    const put = (value: number, mark: string) => {
      const row = grid[HEIGHT - Math.round(Math.min(1, Math.max(0, value)) * HEIGHT)]!;
      if (column >= 0 && column < width) row[column] = mark;
    };
    put(smooth[index]!, "·");
    put(mean_reward, "●");
  });
  const lines = grid.map((row, index) => {
    const label = index % 5 === 0 ? (1 - index / HEIGHT).toFixed(1) : "   ";
    return `${label} │${row.join("").trimEnd()}`;
  });
  const ticks = Array.from({ length: Math.floor(steps / 10) }, (_, index) =>
    String((index + 1) * 10).padStart(10 * COLUMNS_PER_STEP),
  );
  return [...lines, `    └${"─".repeat(width)}`, `     ${ticks.join("")}`.trimEnd()];
}

/** A picture without anything from outside, for the run's folder. */
export function rewardSvg(points: readonly RewardPoint[], steps: number, title: string): string {
  const width = 720;
  const height = 320;
  const left = 50;
  const top = 36;
  const x = (step: number) => left + ((step - 1) / Math.max(1, steps - 1)) * (width - left - 20);
  const y = (reward: number) => top + (1 - Math.min(1, Math.max(0, reward))) * (height - top - 40);
  const round = (value: number) => Math.round(value * 10) / 10;
  const line = smoothed(points).map((value, index) => `${round(x(points[index]!.step))},${round(y(value))}`);
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (value) =>
      `<line x1="${left}" x2="${width - 20}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>` +
      `<text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
  );
  const every = Math.max(1, Math.ceil(steps / 6));
  const ticks = Array.from({ length: steps }, (_, index) => index + 1)
    .filter((step) => step === 1 || step % every === 0)
    .map((step) => `<text x="${round(x(step))}" y="${height - 20}" text-anchor="middle">${step}</text>`);
  const dots = points.map(
    ({ step, mean_reward }) => `<circle cx="${round(x(step))}" cy="${round(y(mean_reward))}" r="3.5" fill="#3b6fb6"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="20" font-size="14">${escaped(title)}</text>`,
    ...grid,
    ...ticks,
    `<text x="${width - 20}" y="${height - 4}" text-anchor="end">step</text>`,
    `<polyline points="${line.join(" ")}" fill="none" stroke="#9bb9de" stroke-width="2"/>`,
    ...dots,
    "</svg>",
    "",
  ].join("\n");
}

/** By point: the mean of it and up to four before it. */
function smoothed(points: readonly RewardPoint[]): number[] {
  return points.map((_, index) => mean(points.slice(Math.max(0, index - 4), index + 1)));
}

function mean(points: readonly RewardPoint[]): number {
  return points.reduce((sum, point) => sum + point.mean_reward, 0) / points.length;
}

export interface Verdict {
  /** Mean reward of the first and of the last ten steps. */
  first: number;
  last: number;
  difference: number;
  learned: boolean;
}

const WINDOW = 10;

/** null with fewer than twenty steps: the windows would overlap. */
export function verdictOf(points: readonly RewardPoint[], target: number): Verdict | null {
  if (points.length < 2 * WINDOW) return null;
  const first = mean(points.slice(0, WINDOW));
  const last = mean(points.slice(-WINDOW));
  return { first, last, difference: last - first, learned: last - first >= target };
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
