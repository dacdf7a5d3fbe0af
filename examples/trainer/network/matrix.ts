/**
 * Dense products on plain float64 arrays. There is one kernel, x · wᵀ: both operands are read along their rows, and the
 * other two products that a backward pass needs are this one on a transposed copy, which costs little beside the product.
 */

/**
 * out[row][o] (+)= Σ x[row][k] · w[o][k]. Nine sums run side by side: the most that stay in registers.
 * @param x [rows][size] @param w [outs][size] @param out [rows][outs]
 * @param add Adds to `out` instead of replacing it.
 */
export function product(
  x: Float64Array,
  w: Float64Array,
  out: Float64Array,
  rows: number,
  size: number,
  outs: number,
  add = false,
): void {
  if (!add) out.fill(0, 0, rows * outs);
  let row = 0;
  for (; row + 2 < rows; row += 3) threeRows(x, w, out, row, size, outs);
  for (; row < rows; row++) singleRow(x, w, out, row, size, outs);
}

function threeRows(x: Float64Array, w: Float64Array, out: Float64Array, row: number, size: number, outs: number): void {
  const x0 = row * size;
  const x1 = x0 + size;
  const x2 = x1 + size;
  let at = row * outs;
  let o = 0;
  for (; o + 2 < outs; o += 3, at += 3) {
    const w0 = o * size;
    const w1 = w0 + size;
    const w2 = w1 + size;
    let a0 = 0;
    let a1 = 0;
    let a2 = 0;
    let b0 = 0;
    let b1 = 0;
    let b2 = 0;
    let c0 = 0;
    let c1 = 0;
    let c2 = 0;
    for (let k = 0; k < size; k++) {
      const a = x[x0 + k]!;
      const b = x[x1 + k]!;
      const c = x[x2 + k]!;
      const p = w[w0 + k]!;
      const q = w[w1 + k]!;
      const r = w[w2 + k]!;
      a0 += a * p;
      a1 += a * q;
      a2 += a * r;
      b0 += b * p;
      b1 += b * q;
      b2 += b * r;
      c0 += c * p;
      c1 += c * q;
      c2 += c * r;
    }
    const second = at + outs;
    const third = second + outs;
    out[at] = out[at]! + a0;
    out[at + 1] = out[at + 1]! + a1;
    out[at + 2] = out[at + 2]! + a2;
    out[second] = out[second]! + b0;
    out[second + 1] = out[second + 1]! + b1;
    out[second + 2] = out[second + 2]! + b2;
    out[third] = out[third]! + c0;
    out[third + 1] = out[third + 1]! + c1;
    out[third + 2] = out[third + 2]! + c2;
  }
  for (; o < outs; o++, at++) {
    out[at] = out[at]! + dot(x, x0, w, o * size, size);
    out[at + outs] = out[at + outs]! + dot(x, x1, w, o * size, size);
    out[at + 2 * outs] = out[at + 2 * outs]! + dot(x, x2, w, o * size, size);
  }
}

function singleRow(x: Float64Array, w: Float64Array, out: Float64Array, row: number, size: number, outs: number): void {
  const x0 = row * size;
  let at = row * outs;
  let o = 0;
  for (; o + 3 < outs; o += 4, at += 4) {
    const w0 = o * size;
    const w1 = w0 + size;
    const w2 = w1 + size;
    const w3 = w2 + size;
    let a0 = 0;
    let a1 = 0;
    let a2 = 0;
    let a3 = 0;
    for (let k = 0; k < size; k++) {
      const a = x[x0 + k]!;
      a0 += a * w[w0 + k]!;
      a1 += a * w[w1 + k]!;
      a2 += a * w[w2 + k]!;
      a3 += a * w[w3 + k]!;
    }
    out[at] = out[at]! + a0;
    out[at + 1] = out[at + 1]! + a1;
    out[at + 2] = out[at + 2]! + a2;
    out[at + 3] = out[at + 3]! + a3;
  }
  for (; o < outs; o++, at++) out[at] = out[at]! + dot(x, x0, w, o * size, size);
}

function dot(x: Float64Array, xAt: number, w: Float64Array, wAt: number, size: number): number {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += x[xAt + k]! * w[wAt + k]!;
  return sum;
}

/** [rows][columns] to [columns][rows]. */
export function transposed(x: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    for (let column = 0; column < columns; column++) out[column * rows + row] = x[from + column]!;
  }
  return out;
}

/** x += y */
export function addTo(x: Float64Array, y: Float64Array): void {
  for (let index = 0; index < x.length; index++) x[index] = x[index]! + y[index]!;
}
