/**
 * Readers of JSON values as lenient as protocol v1: "32", 32.0 and true are integers, "0.5" is a number; strings are
 * strict. A reader gives the value as its type says, or notes what is wrong and where.
 */
import { isObject } from "../../core/index.ts";
import "./exact-json.ts";
import type { ProblemDetail } from "./problem-detail.ts";

type Place = (string | number)[];

export type Reader<T> = (value: unknown, place: Place, problems: ProblemDetail[]) => T | undefined;

const wrong = (problems: ProblemDetail[], loc: Place, type: string, msg: string, input: unknown): undefined => {
  problems.push({ type, loc, msg, input: excerpt(input) });
};

/** Of what was sent, as much as a reader needs to find it again: the answer must not be as large as the body. */
export function excerpt(value: unknown, depth = 3): unknown {
  if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 200)}…` : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return Array.isArray(value) ? "[…]" : "{…}";
  if (Array.isArray(value)) return value.slice(0, 10).map((item) => excerpt(item, depth - 1));
  const entries = Object.entries(value).slice(0, 20);
  return Object.fromEntries(entries.map(([key, item]) => [key, excerpt(item, depth - 1)]));
}

/** The largest token id and count that trainers hold in 32 bits. */
const MAX_INT = 2 ** 31 - 1;

/** `least` and `most` are bounds of ours; v1 knows none. */
export function integer({ least = -MAX_INT, most = MAX_INT } = {}): Reader<number> {
  return (value, loc, problems) => {
    let number = value;
    if (typeof value === "boolean") number = value ? 1 : 0;
    else if (typeof value === "string") {
      if (!/^\s*[+-]?\d[\d_]*(\.0*)?\s*$/.test(value)) {
        const msg = "Input should be a valid integer, unable to parse string as an integer";
        return wrong(problems, loc, "int_parsing", msg, value);
      }
      number = Number(value.replaceAll("_", ""));
    }
    if (typeof number !== "number") return wrong(problems, loc, "int_type", "Input should be a valid integer", value);
    if (!Number.isInteger(number)) {
      const msg = Number.isFinite(number)
        ? "Input should be a valid integer, got a number with a fractional part"
        : "Input should be a finite number";
      return wrong(problems, loc, Number.isFinite(number) ? "int_from_float" : "finite_number", msg, value);
    }
    if (number < least) return wrong(problems, loc, "greater_than_equal", `Input should be at least ${least}`, value);
    if (number > most) return wrong(problems, loc, "less_than_equal", `Input should be at most ${most}`, value);
    return number;
  };
}

export const float: Reader<number> = (value, loc, problems) => {
  let number = value;
  if (typeof value === "boolean") number = value ? 1 : 0;
  else if (typeof value === "string") {
    number = value.trim() === "" ? Number.NaN : Number(value);
    if (Number.isNaN(number) && !/^\s*[+-]?(nan|inf(inity)?)\s*$/i.test(value)) {
      const msg = "Input should be a valid number, unable to parse string as a number";
      return wrong(problems, loc, "float_parsing", msg, value);
    }
  }
  if (typeof number !== "number") return wrong(problems, loc, "float_type", "Input should be a valid number", value);
  if (!Number.isFinite(number)) return wrong(problems, loc, "finite_number", "Input should be a finite number", value);
  return number;
};

export const text: Reader<string> = (value, loc, problems) =>
  typeof value === "string" ? value : wrong(problems, loc, "string_type", "Input should be a valid string", value);

export const dictionary: Reader<Record<string, unknown>> = (value, loc, problems) =>
  isObject(value) && !JSON.isRawJSON(value)
    ? value
    : wrong(problems, loc, "dict_type", "Input should be a valid dictionary", value);

export const anything: Reader<unknown> = (value) => value;

/** Python gives up on JSON that is nested much deeper; so would writing it here. */
const MAX_DEPTH = 200;

/**
 * Refuses 1e999 and the like, wherever it hides: JSON reads it as Infinity and cannot write it again. Also what is
 * nested too deep for those that have to read it.
 */
export const finite =
  <T>(reader: Reader<T>): Reader<T> =>
  (value, loc, problems) => {
    let level: object[] = [];
    const isFine = (part: unknown, next: object[]): boolean => {
      if (typeof part === "object" && part !== null) next.push(part);
      return typeof part !== "number" || Number.isFinite(part);
    };
    const notFinite = (part: unknown) =>
      wrong(problems, loc, "finite_number", "Every number in it should be finite", String(part));
    if (!isFine(value, level)) return notFinite(value);
    for (let depth = 1; level.length > 0; depth++) {
      if (depth > MAX_DEPTH)
        return wrong(problems, loc, "recursion_loop", `Nested deeper than ${MAX_DEPTH} levels`, undefined);
      const next: object[] = [];
      for (const part of level) {
        for (const inner of Array.isArray(part) ? part : Object.values(part))
          if (!isFine(inner, next)) return notFinite(inner);
      }
      level = next;
    }
    return reader(value, loc, problems);
  };

/** More problems than this are not listed: a wrong field in every token would make the answer larger than the body. */
const MAX_PROBLEMS = 50;

export function listOf<T>(item: Reader<T>): Reader<T[]> {
  return (value, loc, problems) => {
    if (!Array.isArray(value)) return wrong(problems, loc, "list_type", "Input should be a valid list", value);
    const read: T[] = new Array(value.length);
    for (let index = 0; index < value.length; index++) {
      read[index] = item(value[index], [...loc, index], problems) as T;
      if (problems.length > MAX_PROBLEMS) break;
    }
    return read;
  };
}

/** Where the first value stands, from a place on, that is not a number as it should be; the list's length if none. */
export type FindUnplain = (values: readonly unknown[], from: number) => number;

/** Lists of numbers are long: places are made only for what is wrong, and the common case is a loop of its own. */
export function numbersOf(item: Reader<number>, findUnplain: FindUnplain): Reader<number[]> {
  return (value, loc, problems) => {
    if (!Array.isArray(value)) return wrong(problems, loc, "list_type", "Input should be a valid list", value);
    let read = value as number[];
    for (let index = findUnplain(value, 0); index < value.length; index = findUnplain(value, index + 1)) {
      const number = item(value[index], [...loc, index], problems);
      if (problems.length > MAX_PROBLEMS) break;
      if (read === value) read = [...value];
      read[index] = number ?? 0;
    }
    return read;
  };
}

export const nullable =
  <T>(reader: Reader<T>): Reader<T | null> =>
  (value, loc, problems) =>
    value === null || value === undefined ? null : reader(value, loc, problems);

type Fields = Record<string, { read: Reader<unknown>; required: boolean }>;

export const required = <T>(read: Reader<T>) => ({ read, required: true }) as const;
export const optional = <T>(read: Reader<T>) => ({ read: nullable(read), required: false }) as const;

type ReadFields<F extends Fields> = { [Key in keyof F]: F[Key]["read"] extends Reader<infer T> ? T : never };

/** Unknown fields are dropped; absent optional ones are null. */
export function objectOf<F extends Fields>(fields: F): Reader<ReadFields<F>> {
  return (value, loc, problems) => {
    if (!isObject(value)) {
      const msg = "Input should be a valid dictionary or object to extract fields from";
      return wrong(problems, loc, "model_attributes_type", msg, value);
    }
    const read: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
      if (field.required && !Object.hasOwn(value, name))
        wrong(problems, [...loc, name], "missing", "Field required", value);
      else read[name] = field.read(Object.hasOwn(value, name) ? value[name] : undefined, [...loc, name], problems);
      if (problems.length > MAX_PROBLEMS) break;
    }
    return read as ReadFields<F>;
  };
}
