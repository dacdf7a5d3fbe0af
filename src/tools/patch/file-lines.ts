/** A file as lines: where each starts and ends, and what it says without its line break. */

export interface FileLines {
  readonly count: number;
  /** Offset of the line's first character. */
  start(line: number): number;
  /** Offset after the line's text, before its line break. */
  end(line: number): number;
  /** Offset after the line break: the next line's start, or the end of the file. */
  next(line: number): number;
  text(line: number): string;
  /** The line that holds the offset. */
  at(offset: number): number;
}

export function linesOf(file: string): FileLines {
  const starts = [0];
  for (let at = file.indexOf("\n"); at !== -1; at = file.indexOf("\n", at + 1)) starts.push(at + 1);
  // A final line break ends the last line; it does not start another.
  if (starts.at(-1) === file.length) starts.pop();
  const next = (line: number) => starts[line + 1] ?? file.length;
  const end = (line: number) => {
    let at = next(line);
    if (at > starts[line]! && file[at - 1] === "\n") at--;
    if (at > starts[line]! && file[at - 1] === "\r") at--;
    return at;
  };
  return {
    count: starts.length,
    start: (line) => starts[line] ?? file.length,
    end,
    next,
    text: (line) => file.slice(starts[line], end(line)),
    at: (offset) => {
      let low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (starts[middle]! <= offset) low = middle;
        else high = middle - 1;
      }
      return low;
    },
  };
}
