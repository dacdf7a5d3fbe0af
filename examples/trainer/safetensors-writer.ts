/** Writes named tensors in the safetensors format, as float32 or rounded to float16. */

export interface NamedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

const ALIGNMENT = 8;

/**
 * The file's bytes: length of the header, header, tensors one after the other.
 * @throws RangeError for a number that float16 cannot hold.
 */
export function safetensorsBytes(tensors: readonly NamedTensor[], dtype: "F32" | "F16"): Uint8Array {
  const width = dtype === "F32" ? 4 : 2;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const { name, shape, data } of tensors) {
    const start = end;
    end += data.length * width;
    header[name] = { dtype, shape, data_offsets: [start, end] };
  }
  let text = JSON.stringify(header);
  text += " ".repeat((ALIGNMENT - (Buffer.byteLength(text) % ALIGNMENT)) % ALIGNMENT);
  const head = Buffer.from(text);
  const bytes = new Uint8Array(8 + head.length + end);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let at = 8 + head.length;
  for (const { name, data } of tensors) {
    for (const value of data) {
      if (dtype === "F32") view.setFloat32(at, value, true);
      else view.setUint16(at, floatToHalf(value, name), true);
      at += width;
    }
  }
  return bytes;
}

/** IEEE 754 binary16, rounded to the nearest and to even between two. */
function floatToHalf(value: number, name: string): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Halfway to the number behind the largest one, 65504.
  if (!(size < 65_520)) throw new RangeError(`${name} holds ${value}, which float16 cannot hold.`);
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(size, 2 ** -24))));
  const unit = 2 ** (exponent - 10);
  const scaled = size / unit;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  // A full fraction overflows into the exponent, as it must.
  return sign + (exponent + 14) * 1024 + rounded;
}
