/** Where a text stops being JSON. The engine's own message names a position only for some faults. */

const TOKEN =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

type Expected = "value" | "value or ]" | "key" | "key or }" | ":" | ", or end" | "end";

/** The offset of the first character that cannot stand there; the text's length when it ends too early. */
export function jsonFault(text: string): number {
  const token = new RegExp(TOKEN.source, "y");
  const open: string[] = [];
  let expected: Expected = "value";
  let at = 0;
  const afterValue = (): Expected => (open.length === 0 ? "end" : ", or end");
  for (;;) {
    token.lastIndex = at;
    const match = token.exec(text);
    const start = at + /^[ \t\r\n]*/.exec(text.slice(at, at + 10_000))![0].length;
    if (match === null || expected === "end") return start;
    const [whole, sign, string] = match;
    const isValue = expected === "value" || expected === "value or ]";
    if (sign === undefined) {
      if (isValue) expected = afterValue();
      else if (string !== undefined && (expected === "key" || expected === "key or }")) expected = ":";
      else return start;
    } else if ((sign === "{" || sign === "[") && isValue) {
      open.push(sign);
      expected = sign === "{" ? "key or }" : "value or ]";
    } else if (sign === ":" && expected === ":") expected = "value";
    else if (sign === "," && expected === ", or end") expected = open.at(-1) === "{" ? "key" : "value";
    else if (sign === "}" && open.at(-1) === "{" && (expected === "key or }" || expected === ", or end")) {
      open.pop();
      expected = afterValue();
    } else if (sign === "]" && open.at(-1) === "[" && (expected === "value or ]" || expected === ", or end")) {
      open.pop();
      expected = afterValue();
    } else return start;
    at += whole.length;
  }
}
