/** The last N numbers, for averages over a window. */
export class RollingWindow {
  readonly #size: number;
  readonly #values: number[] = [];
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#size;
  }

  get count(): number {
    return this.#values.length;
  }

  get mean(): number {
    return this.#values.reduce((sum, value) => sum + value, 0) / this.#values.length;
  }

  /** Population standard deviation. */
  get std(): number {
    const { mean } = this;
    return Math.sqrt(this.#values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / this.#values.length);
  }

  /** Linear interpolation between neighbours, as numpy's percentile. */
  percentile(percent: number): number {
    const sorted = [...this.#values].sort((a, b) => a - b);
    const place = (percent / 100) * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? 0;
    const above = sorted[Math.ceil(place)] ?? below;
    return below + (above - below) * (place - Math.floor(place));
  }
}
