/**
 * The arithmetic of the forward pass. Every sum is one chain of float64 additions in a fixed order, so a row's result
 * does not depend on what else is computed in the same batch: batching and caching never change a log-probability.
 */

/**
 * out[row][o] = Σ x[row][k] · weights[o][k]. Eight sums run side by side, because one alone would wait for each addition.
 * @param x [rows][size] @param weights [outs][size] @param out [rows][outs]
 */
export function matmul(
  x: Float64Array,
  weights: Float32Array,
  out: Float64Array,
  rows: number,
  size: number,
  outs: number,
): void {
  let row = 0;
  for (; row + 1 < rows; row += 2) pairOfRows(x, weights, out, row, size, outs);
  if (row < rows) singleRow(x, weights, out, row, size, outs);
}

function pairOfRows(
  x: Float64Array,
  weights: Float32Array,
  out: Float64Array,
  row: number,
  size: number,
  outs: number,
): void {
  const x0 = row * size;
  const x1 = x0 + size;
  const y0 = row * outs;
  const y1 = y0 + outs;
  let o = 0;
  for (; o + 3 < outs; o += 4) {
    const w0 = o * size;
    const w1 = w0 + size;
    const w2 = w1 + size;
    const w3 = w2 + size;
    let a0 = 0;
    let a1 = 0;
    let a2 = 0;
    let a3 = 0;
    let b0 = 0;
    let b1 = 0;
    let b2 = 0;
    let b3 = 0;
    for (let k = 0; k < size; k++) {
      const a = x[x0 + k]!;
      const b = x[x1 + k]!;
      const p = weights[w0 + k]!;
      const q = weights[w1 + k]!;
      const r = weights[w2 + k]!;
      const s = weights[w3 + k]!;
      a0 += a * p;
      a1 += a * q;
      a2 += a * r;
      a3 += a * s;
      b0 += b * p;
      b1 += b * q;
      b2 += b * r;
      b3 += b * s;
    }
    out[y0 + o] = a0;
    out[y0 + o + 1] = a1;
    out[y0 + o + 2] = a2;
    out[y0 + o + 3] = a3;
    out[y1 + o] = b0;
    out[y1 + o + 1] = b1;
    out[y1 + o + 2] = b2;
    out[y1 + o + 3] = b3;
  }
  for (; o < outs; o++) {
    out[y0 + o] = dot(x, x0, weights, o * size, size);
    out[y1 + o] = dot(x, x1, weights, o * size, size);
  }
}

function singleRow(
  x: Float64Array,
  weights: Float32Array,
  out: Float64Array,
  row: number,
  size: number,
  outs: number,
): void {
  const x0 = row * size;
  const y0 = row * outs;
  const s2 = 2 * size;
  const s3 = 3 * size;
  const s4 = 4 * size;
  const s5 = 5 * size;
  const s6 = 6 * size;
  const s7 = 7 * size;
  let o = 0;
  for (; o + 7 < outs; o += 8) {
    const w0 = o * size;
    let a0 = 0;
    let a1 = 0;
    let a2 = 0;
    let a3 = 0;
    let a4 = 0;
    let a5 = 0;
    let a6 = 0;
    let a7 = 0;
    for (let k = 0; k < size; k++) {
      const a = x[x0 + k]!;
      const w = w0 + k;
      a0 += a * weights[w]!;
      a1 += a * weights[w + size]!;
      a2 += a * weights[w + s2]!;
      a3 += a * weights[w + s3]!;
      a4 += a * weights[w + s4]!;
      a5 += a * weights[w + s5]!;
      a6 += a * weights[w + s6]!;
      a7 += a * weights[w + s7]!;
    }
    out[y0 + o] = a0;
    out[y0 + o + 1] = a1;
    out[y0 + o + 2] = a2;
    out[y0 + o + 3] = a3;
    out[y0 + o + 4] = a4;
    out[y0 + o + 5] = a5;
    out[y0 + o + 6] = a6;
    out[y0 + o + 7] = a7;
  }
  for (; o < outs; o++) out[y0 + o] = dot(x, x0, weights, o * size, size);
}

function dot(x: Float64Array, xAt: number, weights: Float32Array, wAt: number, size: number): number {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += x[xAt + k]! * weights[wAt + k]!;
  return sum;
}

/** out = x / √(mean x² + ε) · weight, row by row. */
export function rmsNorm(
  x: Float64Array,
  weight: Float32Array,
  out: Float64Array,
  rows: number,
  size: number,
  epsilon: number,
): void {
  for (let row = 0; row < rows; row++) {
    const at = row * size;
    let squares = 0;
    for (let k = 0; k < size; k++) squares += x[at + k]! * x[at + k]!;
    const scale = 1 / Math.sqrt(squares / size + epsilon);
    for (let k = 0; k < size; k++) out[at + k] = x[at + k]! * scale * weight[k]!;
  }
}

/** gate = silu(gate) · up */
export function swiglu(gate: Float64Array, up: Float64Array, count: number): void {
  for (let index = 0; index < count; index++) {
    const value = gate[index]!;
    gate[index] = (value / (1 + Math.exp(-value))) * up[index]!;
  }
}

/** x += y */
export function addInPlace(x: Float64Array, y: Float64Array, count: number): void {
  for (let index = 0; index < count; index++) x[index] = x[index]! + y[index]!;
}

/** Cosines and sines by position, [position][pair]. Angles are rounded to float32, as training software has them. */
export class RopeTable {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly pairs: number;

  constructor(headSize: number, theta: number, positions: number) {
    this.pairs = headSize / 2;
    this.cos = new Float32Array(positions * this.pairs);
    this.sin = new Float32Array(positions * this.pairs);
    for (let pair = 0; pair < this.pairs; pair++) {
      const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * pair) / headSize)));
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        this.cos[position * this.pairs + pair] = Math.cos(angle);
        this.sin[position * this.pairs + pair] = Math.sin(angle);
      }
    }
  }

  /** Rotates each head of a row in place: dimension i is paired with i + headSize / 2. */
  rotate(x: Float64Array, at: number, heads: number, position: number): void {
    const { pairs, cos, sin } = this;
    const table = position * pairs;
    for (let head = 0; head < heads; head++) {
      const start = at + head * pairs * 2;
      for (let pair = 0; pair < pairs; pair++) {
        const a = x[start + pair]!;
        const b = x[start + pair + pairs]!;
        const c = cos[table + pair]!;
        const s = sin[table + pair]!;
        x[start + pair] = a * c - b * s;
        x[start + pair + pairs] = b * c + a * s;
      }
    }
  }
}

/** Where one head of one row attends. */
export interface AttentionPlace {
  /** The row's query for this head: offset in `query`. */
  queryAt: number;
  /** Offset of the head in each row of keys and values, and the rows' width. */
  headAt: number;
  width: number;
  headSize: number;
  /** Keys 0 … count − 1 are seen. */
  count: number;
}

/** out = softmax(query · keysᵀ / √headSize) · values, for one head of one row. `scores` is scratch of ≥ count places. */
export function attend(
  query: Float64Array,
  keys: Float32Array,
  values: Float32Array,
  out: Float64Array,
  scores: Float64Array,
  place: AttentionPlace,
): void {
  const { queryAt, headAt, width, headSize, count } = place;
  const scale = 1 / Math.sqrt(headSize);
  let highest = Number.NEGATIVE_INFINITY;
  let position = 0;
  for (; position + 3 < count; position += 4) {
    let key = position * width + headAt;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let k = 0; k < headSize; k++, key++) {
      const q = query[queryAt + k]!;
      s0 += q * keys[key]!;
      s1 += q * keys[key + width]!;
      s2 += q * keys[key + 2 * width]!;
      s3 += q * keys[key + 3 * width]!;
    }
    scores[position] = s0 * scale;
    scores[position + 1] = s1 * scale;
    scores[position + 2] = s2 * scale;
    scores[position + 3] = s3 * scale;
  }
  for (; position < count; position++)
    scores[position] = dot(query, queryAt, keys, position * width + headAt, headSize) * scale;
  for (let index = 0; index < count; index++) if (scores[index]! > highest) highest = scores[index]!;
  let total = 0;
  for (let index = 0; index < count; index++) {
    const weight = Math.exp(scores[index]! - highest);
    scores[index] = weight;
    total += weight;
  }
  weigh(scores, values, out, 1 / total, place);
}

/** out = scale · Σ scores[p] · values[p], four dimensions at a time; a head's size is even, the rest goes by twos. */
function weigh(
  scores: Float64Array,
  values: Float32Array,
  out: Float64Array,
  scale: number,
  { queryAt, headAt, width, headSize, count }: AttentionPlace,
): void {
  let d = 0;
  for (; d + 3 < headSize; d += 4) {
    let v0 = 0;
    let v1 = 0;
    let v2 = 0;
    let v3 = 0;
    let value = headAt + d;
    for (let p = 0; p < count; p++, value += width) {
      const weight = scores[p]!;
      v0 += weight * values[value]!;
      v1 += weight * values[value + 1]!;
      v2 += weight * values[value + 2]!;
      v3 += weight * values[value + 3]!;
    }
    out[queryAt + d] = v0 * scale;
    out[queryAt + d + 1] = v1 * scale;
    out[queryAt + d + 2] = v2 * scale;
    out[queryAt + d + 3] = v3 * scale;
  }
  for (; d < headSize; d++) {
    let sum = 0;
    for (let p = 0; p < count; p++) sum += scores[p]! * values[p * width + headAt + d]!;
    out[queryAt + d] = sum * scale;
  }
}
