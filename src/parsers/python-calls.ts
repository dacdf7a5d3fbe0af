/**
 * A list of Python calls, `[f(a=1, b="x"), g()]`: plain names, keyword arguments, literal values. Strict as the
 * reference is: no dotted names (but where the format has them), no positional arguments, no expressions, no signs, no newline before a first argument.
 */
import { NotPython, PythonReader } from "./python-literal.ts";
import type { PyMap } from "./python-value.ts";

export interface PythonCall {
  name: string;
  parameters: PyMap;
}

export type PythonCallsRead = { ok: true; calls: PythonCall[]; end: number } | { ok: false; at: number };

const KEYWORDS = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);

/** Which names may be called: plain ones that begin with a letter, or any of Python's, dotted ones too. */
export type PythonCallNames = "plain" | "dotted";

/** The calls of the list whose bracket stands at `from`. */
export function readPythonCalls(text: string, from: number, names: PythonCallNames = "plain"): PythonCallsRead {
  const reader = new PythonReader(text, from, { signs: false, tuples: false, jsonNames: true });
  try {
    reader.expect("[");
    const calls: PythonCall[] = [];
    for (;;) {
      calls.push(readCall(reader, names));
      if (reader.accept(",")) {
        reader.space();
        continue;
      }
      reader.space();
      reader.expect("]");
      return { ok: true, calls, end: reader.at };
    }
  } catch (error) {
    if (error instanceof NotPython) return { ok: false, at: error.at };
    throw error;
  }
}

function readCall(reader: PythonReader, names: PythonCallNames): PythonCall {
  const name = readName(reader, names);
  while (names === "dotted" && reader.accept(".")) name.push(...readName(reader, names));
  reader.expect("(");
  const parameters: PyMap = new Map();
  for (;;) {
    if (reader.accept(")")) return { name: name.join("."), parameters };
    const [key] = readName(reader, names);
    reader.space();
    reader.expect("=");
    reader.space();
    parameters.set(key!, reader.value());
    reader.space();
    if (reader.accept(")")) return { name: name.join("."), parameters };
    reader.expect(",");
    reader.space();
  }
}

function readName(reader: PythonReader, names: PythonCallNames): string[] {
  const name = reader.name();
  if (name === null || KEYWORDS.has(name) || (names === "plain" && !/^[a-zA-Z]/.test(name))) return reader.fail();
  return [name];
}
