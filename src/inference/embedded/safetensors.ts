/**
 * Reads a safetensors file into named float32 arrays. Every offset, shape and type is checked before use, and weights
 * that are not finite are refused: a broken file is an error here, never noise in the answers.
 */
import { errorMessage, isObject, LachesisError } from "../../core/index.ts";

export interface Tensor {
  shape: number[];
  data: Float32Array;
}

const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof BYTES;

/** A header larger than this is no header of a model that fits here. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/**
 * The tensors by name.
 * @param file Its path, for messages.
 * @throws LachesisError `weights_invalid`
 */
export function readSafetensors(bytes: Uint8Array, file: string): Map<string, Tensor> {
  const fail = (what: string, cause?: unknown) =>
    new LachesisError("weights_invalid", `${file} is not a usable safetensors file: ${what}.`, {
      cause,
      details: { file },
    });
  if (bytes.length < 8) throw fail(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getBigUint64(0, true);
  if (headerLength > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - 8))) {
    throw fail(`its header should have ${headerLength} bytes, the file has ${bytes.length}`);
  }
  const start = 8 + Number(headerLength);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch (error) {
    throw fail(`its header is not JSON (${errorMessage(error)})`, error);
  }
  if (!isObject(header)) throw fail("its header is not an object");
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const place = placeOf(entry, bytes.length - start);
    if (typeof place === "string") throw fail(`${name}: ${place}`);
    const data = decode(view, start + place.from, place.dtype, place.count);
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw fail(`${name} holds ${data[bad]} at place ${bad}`);
    tensors.set(name, { shape: place.shape, data });
  }
  return tensors;
}

interface Place {
  dtype: Dtype;
  shape: number[];
  count: number;
  from: number;
}

/** Where a tensor lies, or in words what is wrong with its entry. */
function placeOf(entry: unknown, dataBytes: number): Place | string {
  if (!isObject(entry)) return "its entry is not an object";
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES, dtype)) {
    return `type ${JSON.stringify(dtype)} is not supported (F16, BF16, F32 and F64 are)`;
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) return "its shape is not a list of sizes";
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) return "its data_offsets are not two";
  const [from, to] = offsets as [number, number];
  if (to > dataBytes) return `its data would end at byte ${to}, the file has ${dataBytes}`;
  const count = (shape as number[]).reduce((product, size) => product * size, 1);
  if (to - from !== count * BYTES[dtype as Dtype])
    return `shape [${shape}] of ${dtype} does not fill ${to - from} bytes`;
  return { dtype: dtype as Dtype, shape: shape as number[], count, from };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function decode(view: DataView, from: number, dtype: Dtype, count: number): Float32Array {
  const data = new Float32Array(count);
  const size = BYTES[dtype];
  for (let index = 0; index < count; index++) {
    const at = from + index * size;
    if (dtype === "F16") data[index] = halfToFloat(view.getUint16(at, true));
    else if (dtype === "F32") data[index] = view.getFloat32(at, true);
    else if (dtype === "F64") data[index] = view.getFloat64(at, true);
    else data[index] = bfloatToFloat(view.getUint16(at, true));
  }
  return data;
}

/** IEEE 754 binary16 to a number; exact. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const scratch = new DataView(new ArrayBuffer(4));

function bfloatToFloat(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}
