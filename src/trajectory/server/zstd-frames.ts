/**
 * Where the frames of a zstd text begin and end. Node's decoder takes the end of the input for the end of the data, and
 * stops behind the first frame: what was cut short, or has several frames, would lose its rest without a word. Walking
 * over the blocks' headers decodes nothing. Format: RFC 8878.
 */

const MAGIC = 0xfd2fb528;
/** 16 numbers from here on begin frames that hold no data. */
const SKIPPABLE = 0x184d2a50;
/** Each frame costs a decoder: many small ones would cost more than they hold. */
const MOST_FRAMES = 1_000;

/** [start, end) of every frame that holds data; null where the text is no zstd, is cut short, or is of too many frames. */
export function zstdFrames(bytes: Buffer): [start: number, end: number][] | null {
  const frames: [number, number][] = [];
  let seen = 0;
  for (let at = 0; at < bytes.length; ) {
    const magic = at + 8 <= bytes.length ? bytes.readUInt32LE(at) : 0;
    const isSkippable = (magic & 0xfffffff0) >>> 0 === SKIPPABLE;
    const end = isSkippable ? at + 8 + bytes.readUInt32LE(at + 4) : magic === MAGIC ? frameEnd(bytes, at + 4) : null;
    if (end === null || end > bytes.length || ++seen > MOST_FRAMES) return null;
    if (!isSkippable) frames.push([at, end]);
    at = end;
  }
  return frames;
}

/** From behind the magic number to behind the frame; null where the bytes end before that. */
function frameEnd(bytes: Buffer, start: number): number | null {
  const descriptor = bytes[start]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  let at = start + 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    if (at + 3 > bytes.length) return null;
    const header = bytes.readUIntLE(at, 3);
    // A block that repeats one byte holds only that.
    const held = ((header >> 1) & 3) === 1 ? 1 : header >> 3;
    at += 3 + held;
    if ((header & 1) === 1) return at + ((descriptor & 4) !== 0 ? 4 : 0);
  }
}
