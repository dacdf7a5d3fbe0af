/** Binds a call's arguments to parameter names, with Python's TypeErrors for what does not fit. */
import { type Arguments, isInt, isText, textOf, typeError, typeName, type Value } from "./values.ts";

/** The arguments in the order of `parameters`; undefined where one was not given. The first `required` must be. */
export function bind(
  name: string,
  { positional, named }: Arguments,
  parameters: readonly string[],
  required = 0,
): (Value | undefined)[] {
  if (positional.length > parameters.length) {
    throw typeError(`${name}() takes at most ${parameters.length} arguments (${positional.length} given)`);
  }
  const bound: (Value | undefined)[] = parameters.map((_, index) => positional[index]);
  for (const [key, value] of named) {
    const index = parameters.indexOf(key);
    if (index < 0) throw typeError(`${name}() got an unexpected keyword argument '${key}'`);
    if (bound[index] !== undefined) throw typeError(`${name}() got multiple values for argument '${key}'`);
    bound[index] = value;
  }
  for (let index = 0; index < required; index++) {
    if (bound[index] === undefined) throw typeError(`${name}() missing required argument: '${parameters[index]}'`);
  }
  return bound;
}

/** An argument that must be a whole number. */
export function wholeNumber(value: Value): number {
  if (!isInt(value)) throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
  return Number(value);
}

/** An argument that must be a str. */
export function textArgument(name: string, value: Value): string {
  if (!isText(value)) throw typeError(`${name} argument must be str, not ${typeName(value)}`);
  return textOf(value);
}
