/**
 * Causal attention over a token tree and its derivative. A segment's keys are gathered along its path once per head, so
 * all its rows go through the matrix kernel together; what lies ahead of a row has weight zero.
 */
import { product, transposed } from "./matrix.ts";
import type { Segment, TokenTree } from "./token-tree.ts";

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headSize: number;
}

/** What the backward pass needs again. */
export interface AttentionTape {
  /** Turned by their positions; [row][head][dimension]. */
  query: Float64Array;
  key: Float64Array;
  value: Float64Array;
  /** [segment × heads + head] weights of [row of the segment][place on the path]. */
  weights: Float64Array[];
}

/** Gives the weights; writes what each row takes in to `mixed`, [row][head][dimension]. */
export function attend(
  tree: TokenTree,
  shape: AttentionShape,
  query: Float64Array,
  key: Float64Array,
  value: Float64Array,
  mixed: Float64Array,
): Float64Array[] {
  const { heads, kvHeads, headSize } = shape;
  const all: Float64Array[] = [];
  for (const segment of tree.segments) {
    const { count, depth } = segment;
    const context = depth + count;
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const q = rowsOf(query, segment, heads, head, headSize);
      scale(q, 1 / Math.sqrt(headSize));
      const weights = new Float64Array(count * context);
      product(q, pathOf(key, segment, kvHeads, kvHead, headSize), weights, count, headSize, context);
      softmaxBehind(weights, count, context);
      const values = transposed(pathOf(value, segment, kvHeads, kvHead, headSize), context, headSize);
      const out = new Float64Array(count * headSize);
      product(weights, values, out, count, context, headSize);
      for (let row = 0; row < count; row++) {
        const to = ((segment.start + row) * heads + head) * headSize;
        mixed.set(out.subarray(row * headSize, (row + 1) * headSize), to);
      }
      all.push(weights);
    }
  }
  return all;
}

/** Adds the derivatives by query, key and value, all still turned. */
export function attendBackward(
  tree: TokenTree,
  shape: AttentionShape,
  tape: AttentionTape,
  dMixed: Float64Array,
  dQuery: Float64Array,
  dKey: Float64Array,
  dValue: Float64Array,
): void {
  const { heads, kvHeads, headSize } = shape;
  const factor = 1 / Math.sqrt(headSize);
  tree.segments.forEach((segment, index) => {
    const { count, depth } = segment;
    const context = depth + count;
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const weights = tape.weights[index * heads + head]!;
      const dOut = rowsOf(dMixed, segment, heads, head, headSize);
      const dScores = new Float64Array(count * context);
      product(dOut, pathOf(tape.value, segment, kvHeads, kvHead, headSize), dScores, count, headSize, context);
      softmaxBackward(dScores, weights, count, context);
      scale(dScores, factor);

      const keys = pathOf(tape.key, segment, kvHeads, kvHead, headSize);
      const dq = new Float64Array(count * headSize);
      product(dScores, transposed(keys, context, headSize), dq, count, context, headSize);
      for (let row = 0; row < count; row++) {
        addAt(dQuery, ((segment.start + row) * heads + head) * headSize, dq, row * headSize, headSize);
      }
      const q = rowsOf(tape.query, segment, heads, head, headSize);
      const onPath = new Float64Array(context * headSize);
      product(transposed(dScores, count, context), transposed(q, count, headSize), onPath, context, count, headSize);
      scatter(onPath, dKey, segment, kvHeads, kvHead, headSize);
      product(transposed(weights, count, context), transposed(dOut, count, headSize), onPath, context, count, headSize);
      scatter(onPath, dValue, segment, kvHeads, kvHead, headSize);
    }
  });
}

/** A head's part of the segment's rows, [row][headSize]. */
function rowsOf(
  x: Float64Array,
  { start, count }: Segment,
  heads: number,
  head: number,
  headSize: number,
): Float64Array {
  const out = new Float64Array(count * headSize);
  copyRows(x, start, count, heads, head, headSize, out, 0);
  return out;
}

/** A head's part of all rows on the segment's path, its own last. */
function pathOf(x: Float64Array, segment: Segment, heads: number, head: number, headSize: number): Float64Array {
  const out = new Float64Array((segment.depth + segment.count) * headSize);
  let at = 0;
  for (const [start, count] of segment.before) {
    copyRows(x, start, count, heads, head, headSize, out, at);
    at += count * headSize;
  }
  copyRows(x, segment.start, segment.count, heads, head, headSize, out, at);
  return out;
}

function copyRows(
  x: Float64Array,
  start: number,
  count: number,
  heads: number,
  head: number,
  headSize: number,
  out: Float64Array,
  at: number,
): void {
  for (let row = 0; row < count; row++) {
    const from = ((start + row) * heads + head) * headSize;
    for (let k = 0; k < headSize; k++) out[at + row * headSize + k] = x[from + k]!;
  }
}

/** The reverse of `pathOf`, adding. */
function scatter(
  onPath: Float64Array,
  x: Float64Array,
  segment: Segment,
  heads: number,
  head: number,
  headSize: number,
): void {
  let at = 0;
  for (const [start, count] of [...segment.before, [segment.start, segment.count] as const]) {
    for (let row = 0; row < count; row++, at += headSize) {
      addAt(x, ((start + row) * heads + head) * headSize, onPath, at, headSize);
    }
  }
}

function addAt(x: Float64Array, to: number, y: Float64Array, from: number, size: number): void {
  for (let k = 0; k < size; k++) x[to + k] = x[to + k]! + y[from + k]!;
}

function scale(x: Float64Array, factor: number): void {
  for (let index = 0; index < x.length; index++) x[index] = x[index]! * factor;
}

/** Row i sees the first context − count + i + 1 places; the others become 0. */
function softmaxBehind(scores: Float64Array, count: number, context: number): void {
  for (let row = 0; row < count; row++) {
    const at = row * context;
    const end = at + context - count + row + 1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let index = at; index < end; index++) if (scores[index]! > highest) highest = scores[index]!;
    let total = 0;
    for (let index = at; index < end; index++) {
      const weight = Math.exp(scores[index]! - highest);
      scores[index] = weight;
      total += weight;
    }
    for (let index = at; index < end; index++) scores[index] = scores[index]! / total;
    scores.fill(0, end, at + context);
  }
}

/** Turns the derivative by the weights into the one by the scores, in place. */
function softmaxBackward(d: Float64Array, weights: Float64Array, count: number, context: number): void {
  for (let row = 0; row < count; row++) {
    const at = row * context;
    let mean = 0;
    for (let index = at; index < at + context; index++) mean += d[index]! * weights[index]!;
    for (let index = at; index < at + context; index++) d[index] = weights[index]! * (d[index]! - mean);
  }
}
