/**
 * One call as a JSON object with a name and arguments, with the few rules in which the JSON formats differ: which key
 * holds the arguments, whether they may be missing, and whether arguments that are a string are printed or passed on.
 */
import { dumpJson } from "./json-dump.ts";
import { isMap, type PyValue } from "./python-value.ts";

export interface NamedCallRules {
  /** The first of these keys that the object has. */
  argumentKeys: readonly string[];
  missingArguments: "refused" | "empty";
  /** Text that the model wrote in place of an object. */
  textArguments: "verbatim" | "printed";
}

export interface NamedCall {
  name: string;
  arguments: string;
  /** Keys that mean nothing to the format. */
  unused: string[];
}

const USUAL_KEYS = new Set(["name", "id", "type"]);

/** The call that a value is; null if it is none. */
export function namedCall(value: PyValue, rules: NamedCallRules): NamedCall | null {
  if (!isMap(value)) return null;
  const name = value.get("name");
  if (typeof name !== "string" || name === "") return null;
  const key = rules.argumentKeys.find((candidate) => value.has(candidate));
  const unused = [...value.keys()].filter((candidate) => candidate !== key && !USUAL_KEYS.has(candidate));
  if (key === undefined) return rules.missingArguments === "empty" ? { name, arguments: "{}", unused } : null;
  const args = value.get(key)!;
  const verbatim = typeof args === "string" && rules.textArguments === "verbatim";
  return { name, arguments: verbatim ? args : dumpJson(args), unused };
}

/** All calls of a list; null if the value is no list or one of its elements is no call. */
export function namedCalls(value: PyValue, rules: NamedCallRules): NamedCall[] | null {
  if (!Array.isArray(value)) return null;
  const calls: NamedCall[] = [];
  for (const element of value) {
    const call = namedCall(element, rules);
    if (call === null) return null;
    calls.push(call);
  }
  return calls;
}
