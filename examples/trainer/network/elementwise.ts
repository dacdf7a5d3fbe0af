/** The parts of a Llama that are no matrix product, each with its derivative beside it. */

/** out = x · scale · weight, row by row, with scale = 1 / √(mean x² + ε); gives the scales. */
export function rmsNorm(
  x: Float64Array,
  weight: Float64Array,
  out: Float64Array,
  rows: number,
  epsilon: number,
): Float64Array {
  const size = weight.length;
  const scales = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * size;
    let squares = 0;
    for (let k = 0; k < size; k++) squares += x[at + k]! * x[at + k]!;
    const scale = 1 / Math.sqrt(squares / size + epsilon);
    scales[row] = scale;
    for (let k = 0; k < size; k++) out[at + k] = x[at + k]! * scale * weight[k]!;
  }
  return scales;
}

/** Adds the derivative by x to `dx` and the one by the weight to `dWeight`. */
export function rmsNormBackward(
  dy: Float64Array,
  x: Float64Array,
  weight: Float64Array,
  scales: Float64Array,
  dx: Float64Array,
  dWeight: Float64Array,
): void {
  const size = weight.length;
  for (let row = 0; row < scales.length; row++) {
    const at = row * size;
    const scale = scales[row]!;
    let along = 0;
    for (let k = 0; k < size; k++) {
      const flow = dy[at + k]! * x[at + k]!;
      along += flow * weight[k]!;
      dWeight[k] = dWeight[k]! + flow * scale;
    }
    const pull = (along * scale * scale * scale) / size;
    for (let k = 0; k < size; k++) dx[at + k] = dx[at + k]! + dy[at + k]! * weight[k]! * scale - x[at + k]! * pull;
  }
}

/** silu(gate) · up */
export function swiglu(gate: Float64Array, up: Float64Array): Float64Array {
  const out = new Float64Array(gate.length);
  for (let index = 0; index < gate.length; index++) {
    const value = gate[index]!;
    out[index] = (value / (1 + Math.exp(-value))) * up[index]!;
  }
  return out;
}

/** Replaces `dHidden` by the derivative by `up` and gives the one by `gate`. */
export function swigluBackward(dHidden: Float64Array, gate: Float64Array, up: Float64Array): Float64Array {
  const dGate = new Float64Array(gate.length);
  for (let index = 0; index < gate.length; index++) {
    const value = gate[index]!;
    const sigmoid = 1 / (1 + Math.exp(-value));
    dGate[index] = dHidden[index]! * up[index]! * sigmoid * (1 + value * (1 - sigmoid));
    dHidden[index] = dHidden[index]! * value * sigmoid;
  }
  return dGate;
}

/** Rotary positions: dimension i of a head is turned together with i + headSize / 2. Angles are rounded to float32. */
export class Rope {
  readonly #pairs: number;
  readonly #cos: Float32Array;
  readonly #sin: Float32Array;

  constructor(headSize: number, theta: number, positions: number) {
    this.#pairs = headSize / 2;
    this.#cos = new Float32Array(positions * this.#pairs);
    this.#sin = new Float32Array(positions * this.#pairs);
    for (let pair = 0; pair < this.#pairs; pair++) {
      const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * pair) / headSize)));
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        this.#cos[position * this.#pairs + pair] = Math.cos(angle);
        this.#sin[position * this.#pairs + pair] = Math.sin(angle);
      }
    }
  }

  /** Turns all heads of all rows in place; `direction` −1 turns back, which is the derivative. */
  turn(x: Float64Array, heads: number, positions: Int32Array, direction: 1 | -1): void {
    const pairs = this.#pairs;
    for (let row = 0; row < positions.length; row++) {
      const table = positions[row]! * pairs;
      for (let head = 0; head < heads; head++) {
        const at = (row * heads + head) * pairs * 2;
        for (let pair = 0; pair < pairs; pair++) {
          const a = x[at + pair]!;
          const b = x[at + pair + pairs]!;
          const c = this.#cos[table + pair]!;
          const s = this.#sin[table + pair]! * direction;
          x[at + pair] = a * c - b * s;
          x[at + pair + pairs] = b * c + a * s;
        }
      }
    }
  }
}
