/**
 * Reads what grep and ripgrep print, line by line, so that a reader can make a pause. File names may hold anything but NUL;
 * lines are shown as UTF-8, or as Latin-1 when they are not.
 */
import { isUtf8 } from "node:buffer";
import { isObject } from "../../core/index.ts";

export interface SearchLine {
  path: string;
  line: number;
  text: string;
  /** True for a line around a match. */
  context: boolean;
}

/** `grep -nHZ`: NAME NUL NUMBER (: or -) TEXT LF, with lines of two dashes between groups. */
export function* parseGrep(output: Buffer): Generator<SearchLine, void> {
  let at = 0;
  while (at < output.length) {
    if (output[at] === 45 && output[at + 1] === 45 && output[at + 2] === 10) at += 3;
    const nul = output.indexOf(0, at);
    if (nul === -1) break;
    let sign = nul + 1;
    while (sign < output.length && output[sign]! >= 48 && output[sign]! <= 57) sign++;
    const feed = output.indexOf(10, sign);
    if (feed === -1) break; // cut off
    yield {
      path: output.toString("utf8", at, nul),
      line: Number(output.toString("latin1", nul + 1, sign)),
      text: shown(output.subarray(sign + 1, feed)),
      context: output[sign] === 45,
    };
    at = feed + 1;
  }
}

/** `rg --json`: one object a line. */
export function* parseRipgrep(output: Buffer): Generator<SearchLine, void> {
  for (let at = 0, feed = output.indexOf(10); feed !== -1; at = feed + 1, feed = output.indexOf(10, at)) {
    const event: unknown = JSON.parse(output.toString("utf8", at, feed));
    if (!isObject(event) || !isObject(event.data) || (event.type !== "match" && event.type !== "context")) continue;
    const { data } = event;
    yield {
      path: bytesOf(data.path).toString("utf8"),
      line: Number(data.line_number),
      text: shown(trimBreak(bytesOf(data.lines))),
      context: event.type === "context",
    };
  }
}

/** ripgrep writes text as `{text}` and what is not UTF-8 as `{bytes}` in base64. */
function bytesOf(value: unknown): Buffer {
  if (!isObject(value)) return Buffer.alloc(0);
  return typeof value.bytes === "string" ? Buffer.from(value.bytes, "base64") : Buffer.from(String(value.text ?? ""));
}

const trimBreak = (bytes: Buffer) => (bytes.at(-1) === 10 ? bytes.subarray(0, -1) : bytes);

function shown(line: Buffer): string {
  const text = line.at(-1) === 13 ? line.subarray(0, -1) : line;
  return text.toString(isUtf8(text) ? "utf8" : "latin1");
}
