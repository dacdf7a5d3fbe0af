/** How a command's output is shown: without escape sequences, and cut in its middle when it is too long, at lines, with a word on where all of it is. */

/** Characters of a command's output that are shown. */
export const SHOWN_CHARS = 50_000;

// CSI, OSC (and other strings up to BEL or ST), then two-character escapes.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[ -/]*[0-~])/g;

/** The text without terminal escape sequences. */
export function withoutEscapes(text: string): string {
  return text.includes("\x1b") ? text.replace(ESCAPES, "") : text;
}

/** The first 40 % and the last 60 % of what may be shown, whole lines where possible, and `notice` between them. */
export function cutMiddle(text: string, limit: number, notice: (omitted: number) => string): string {
  if (text.length <= limit) return text;
  let head = text.slice(0, Math.floor(limit * 0.4));
  let tail = text.slice(text.length - Math.ceil(limit * 0.6));
  const lastLine = head.lastIndexOf("\n");
  if (lastLine > head.length / 2) head = head.slice(0, lastLine + 1);
  else if (/[\ud800-\udbff]$/.test(head)) head = head.slice(0, -1);
  const firstLine = tail.indexOf("\n");
  if (firstLine !== -1 && firstLine < tail.length / 2) tail = tail.slice(firstLine + 1);
  else if (/^[\udc00-\udfff]/.test(tail)) tail = tail.slice(1);
  const omitted = text.length - head.length - tail.length;
  return `${head}${head.endsWith("\n") ? "" : "\n"}${notice(omitted)}\n${tail}`;
}
