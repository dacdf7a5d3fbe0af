/** Distribution plots as inline SVG. Colours come from the page's variables, so that they follow light and dark. */
import { type Html, html } from "./html.ts";

const WIDTH = 320;
const HEIGHT = 120;
const BOTTOM = 18;
const TOP = 14;

/** A histogram of values; integers with few different values get one bar each. */
export function histogram(title: string, values: readonly number[], format = shortNumber): Html {
  if (values.length === 0) return html``;
  const bins = binsOf(values);
  const most = Math.max(...bins.map((bin) => bin.count));
  const step = Math.min(64, WIDTH / bins.length);
  const left = (WIDTH - step * bins.length) / 2;
  const named = bins.length <= 8 && bins.every(({ low, high }) => low === high);
  const bars = bins.map((bin, index) => {
    const height = bin.count === 0 ? 0 : Math.max(2, (bin.count / most) * (HEIGHT - BOTTOM - TOP));
    const label = bin.low === bin.high ? format(bin.low) : `${format(bin.low)} to ${format(bin.high)}`;
    return html`<rect class="bar" x="${(left + index * step + 1).toFixed(1)}" y="${(HEIGHT - BOTTOM - height).toFixed(1)}" width="${Math.max(1, step - 2).toFixed(1)}" height="${height.toFixed(1)}" rx="1.5"><title>${label}: ${bin.count}</title></rect>`;
  });
  return html`<figure><figcaption>${title}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<line class="axis" x1="0" x2="${WIDTH}" y1="${HEIGHT - BOTTOM + 0.5}" y2="${HEIGHT - BOTTOM + 0.5}"/>${bars}
${
  named
    ? bins.map((bin, index) => {
        const centre = (left + (index + 0.5) * step).toFixed(1);
        const top = HEIGHT - BOTTOM - 4 - (bin.count / most) * (HEIGHT - BOTTOM - TOP);
        return html`<text x="${centre}" y="${HEIGHT - 4}" text-anchor="middle">${format(bin.low)}</text><text x="${centre}" y="${top.toFixed(1)}" text-anchor="middle">${bin.count}</text>`;
      })
    : html`<text x="${left.toFixed(1)}" y="${HEIGHT - 4}">${format(bins[0]!.low)}</text><text x="${(WIDTH - left).toFixed(1)}" y="${HEIGHT - 4}" text-anchor="end">${format(bins.at(-1)!.high)}</text><text x="${WIDTH}" y="10" text-anchor="end">highest ${most}</text>`
}</svg></figure>`;
}

/** Values in order, as points, with a running mean over a tenth of them. */
export function series(title: string, values: readonly number[]): Html {
  if (values.length < 3) return html``;
  const points = thinned(values, 400);
  const low = Math.min(...points);
  const high = Math.max(...points);
  const span = high - low || 1;
  const x = (index: number) => ((index + 0.5) / points.length) * WIDTH;
  const y = (value: number) => HEIGHT - BOTTOM - 4 - ((value - low) / span) * (HEIGHT - BOTTOM - TOP - 8);
  const window = Math.max(2, Math.round(points.length / 10));
  const means = points.map((_, index) => mean(points.slice(Math.max(0, index - window + 1), index + 1)));
  const dots = points.map(
    (value, index) => html`<circle class="dot" cx="${x(index).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2"/>`,
  );
  const line = means.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return html`<figure><figcaption>${title}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<line class="axis" x1="0" x2="${WIDTH}" y1="${HEIGHT - BOTTOM + 0.5}" y2="${HEIGHT - BOTTOM + 0.5}"/>${dots}<polyline class="line" points="${line}"/>
<text x="0" y="10">${shortNumber(high)}</text><text x="0" y="${HEIGHT - BOTTOM - 4}">${shortNumber(low)}</text><text x="${WIDTH}" y="${HEIGHT - 4}" text-anchor="end">${values.length}</text></svg></figure>`;
}

/** Horizontal bars for named counts. */
export function bars(title: string, counts: ReadonlyMap<string, number>, warn: (name: string) => boolean): Html {
  if (counts.size === 0) return html``;
  const most = Math.max(...counts.values());
  const rows = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 12);
  return html`<figure><figcaption>${title}</figcaption><table class="bars">${rows.map(
    ([name, count]) =>
      html`<tr><th>${name}</th><td><svg viewBox="0 0 100 8" preserveAspectRatio="none" role="presentation"><rect class="${warn(name) ? "bar warn" : "bar"}" width="${((count / most) * 100).toFixed(1)}" height="8"/></svg></td><td class="n">${count}</td></tr>`,
  )}</table></figure>`;
}

interface Bin {
  low: number;
  high: number;
  count: number;
}

function binsOf(values: readonly number[]): Bin[] {
  const different = [...new Set(values)].sort((a, b) => a - b);
  if (different.length <= 2 || (different.length <= 24 && different.every(Number.isInteger))) {
    return different.map((value) => ({
      low: value,
      high: value,
      count: values.filter((other) => other === value).length,
    }));
  }
  const low = different[0]!;
  const high = different.at(-1)!;
  const number = Math.min(24, Math.max(6, Math.ceil(Math.sqrt(values.length))));
  const width = (high - low) / number;
  const bins = Array.from({ length: number }, (_, index) => ({
    low: low + index * width,
    high: low + (index + 1) * width,
    count: 0,
  }));
  for (const value of values) {
    const place = Math.floor((value - low) / width);
    // Values so close or so far apart that no width can be told all fall into the first bin.
    bins[Number.isNaN(place) ? 0 : Math.min(number - 1, Math.max(0, place))]!.count++;
  }
  return bins;
}

/** At most so many values, each the mean of its neighbours. */
function thinned(values: readonly number[], most: number): number[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, index) =>
    mean(values.slice(Math.floor((index * values.length) / most), Math.floor(((index + 1) * values.length) / most))),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 100_000) return String(value);
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)}G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (size >= 10_000) return `${(value / 1000).toFixed(0)}k`;
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

export function milliseconds(value: number): string {
  if (value < 1000) return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return value < 120_000 ? `${(value / 1000).toFixed(1)} s` : `${(value / 60_000).toFixed(1)} min`;
}
