/**
 * Runs a parsed template with jinja2's scoping: loops, macros, blocks and `with` have a scope of their own, `if` has
 * none, and what a loop pass sets is gone in the next.
 */
import { arithmetic, negative, positive } from "./arithmetic.ts";
import type { CallArguments, Expression, FilterStep, Parameter, Statement, Target } from "./ast.ts";
import { getAttribute, getItem } from "./attributes.ts";
import { contains, equals, ordered } from "./compare.ts";
import { applyFilter } from "./filters.ts";
import { checkFieldName } from "./globals.ts";
import { loopObject } from "./loop.ts";
import { str } from "./print.ts";
import { Slice, sliceOf } from "./slices.ts";
import { applyTest } from "./tests.ts";
import {
  type Arguments,
  isText,
  iterate,
  Namespace,
  PyDict,
  PyError,
  PyFunction,
  PyObject,
  PyTuple,
  textOf,
  truthy,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Names and their values; a set goes here, a look-up goes up. */
class Scope {
  readonly #names = new Map<string, Value>();
  readonly #outer: Scope | null;

  constructor(outer: Scope | null) {
    this.#outer = outer;
  }

  get(name: string): Value | undefined {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#outer) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

/** How a run of statements ended. */
type Flow = "end" | "break" | "continue";

/** More nesting than any template has, and less than the stack holds. */
const DEEPEST = 400;

export class Interpreter {
  #output: string[] = [];
  #depth = 0;

  /** Renders the template's statements with the given names. */
  render(statements: readonly Statement[], globals: ReadonlyMap<string, Value>): string {
    const scope = new Scope(null);
    for (const [name, value] of globals) scope.set(name, value);
    this.#run(statements, new Scope(scope));
    return this.#output.join("");
  }

  #capture(body: () => void): string {
    const outer = this.#output;
    this.#output = [];
    try {
      body();
      return this.#output.join("");
    } finally {
      this.#output = outer;
    }
  }

  #run(statements: readonly Statement[], scope: Scope): Flow {
    for (const statement of statements) {
      const flow = this.#statement(statement, scope);
      if (flow !== "end") return flow;
    }
    return "end";
  }

  #statement(statement: Statement, scope: Scope): Flow {
    switch (statement.kind) {
      case "text":
        this.#output.push(statement.text);
        return "end";
      case "output":
        for (const value of statement.values) this.#output.push(str(this.#evaluate(value, scope)));
        return "end";
      case "if":
        for (const { test, body } of statement.branches) {
          if (truthy(this.#evaluate(test, scope))) return this.#run(body, scope);
        }
        return this.#run(statement.otherwise, scope);
      case "for":
        this.#for(statement, this.#evaluate(statement.iterable, scope), scope, 0);
        return "end";
      case "set":
        this.#assign(statement.target, this.#evaluate(statement.value, scope), scope);
        return "end";
      case "setBlock": {
        const text = this.#capture(() => this.#run(statement.body, new Scope(scope)));
        this.#assign(statement.target, this.#filtered(text, statement.filters, scope), scope);
        return "end";
      }
      case "macro":
        scope.set(statement.name, this.#macro(statement.name, statement.parameters, statement.body, scope));
        return "end";
      case "callBlock": {
        const caller = this.#macro("caller", statement.parameters, statement.body, scope);
        this.#output.push(str(this.#call(statement.call, scope, caller)));
        return "end";
      }
      case "filterBlock": {
        const text = this.#capture(() => this.#run(statement.body, new Scope(scope)));
        const filtered = this.#filtered(text, statement.filters, scope);
        // jinja2 joins the value as it is, without turning it into text.
        if (!isText(filtered)) {
          throw typeError(`sequence item 0: expected str instance, ${typeName(filtered)} found`);
        }
        this.#output.push(str(filtered));
        return "end";
      }
      case "with": {
        const inner = new Scope(scope);
        // The values are all read outside: one does not see the other.
        const values = statement.bindings.map(([, value]) => this.#evaluate(value, scope));
        for (const [index, [target]] of statement.bindings.entries()) this.#assign(target, values[index]!, inner);
        return this.#run(statement.body, inner);
      }
      case "scope":
        return this.#run(statement.body, new Scope(scope));
      case "break":
      case "continue":
        return statement.kind;
    }
  }

  #for(statement: Statement & { kind: "for" }, iterable: Value, scope: Scope, depth: number): void {
    if (depth > DEEPEST) throw new PyError("RecursionError", "maximum recursion depth exceeded");
    const items: Value[] = [];
    for (const item of iterate(iterable)) {
      if (statement.condition !== null) {
        const inner = new Scope(scope);
        this.#assign(statement.target, item, inner);
        if (!truthy(this.#evaluate(statement.condition, inner))) continue;
      }
      items.push(item);
    }
    const position = { index: 0 };
    const recurse = statement.recursive
      ? (value: Value): Value => this.#capture(() => this.#for(statement, value, scope, depth + 1))
      : null;
    const loop = loopObject(items, position, depth, recurse);
    // jinja2 counts a pass as one when its end is reached: after `break` or `continue` in each, `else` is run.
    let passed = false;
    for (const [index, item] of items.entries()) {
      position.index = index;
      const inner = new Scope(scope);
      inner.set("loop", loop);
      this.#assign(statement.target, item, inner);
      const flow = this.#run(statement.body, inner);
      if (flow === "break") break;
      passed ||= flow === "end";
    }
    if (!passed) this.#run(statement.otherwise, new Scope(scope));
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === "name") {
      scope.set(target.name, value);
      return;
    }
    if (target.kind === "field") {
      const object = this.#name(target.object, scope);
      if (!(object instanceof Namespace)) {
        throw new PyError("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
      }
      checkFieldName(target.name);
      object.attributes.set(target.name, value);
      return;
    }
    if (value instanceof Undefined) throw valueCount(target.items.length, 0);
    const items = [...iterateForUnpack(value)];
    if (items.length !== target.items.length) throw valueCount(target.items.length, items.length);
    for (const [index, inner] of target.items.entries()) this.#assign(inner, items[index]!, scope);
  }

  #filtered(text: string, filters: readonly FilterStep[], scope: Scope): Value {
    return filters.reduce<Value>((value, step) => this.#filter(step, value, scope), text);
  }

  #filter(step: FilterStep, value: Value, scope: Scope): Value {
    return applyFilter(step.name, value, this.#arguments(step.args, scope));
  }

  #macro(name: string, parameters: readonly Parameter[], body: readonly Statement[], scope: Scope): PyFunction {
    const uses = usedNames(body, parameters);
    const call = (args: Arguments): Value => {
      if (++this.#depth > DEEPEST) throw new PyError("RecursionError", "maximum recursion depth exceeded");
      try {
        const inner = new Scope(scope);
        this.#bind(name, parameters, args, inner, uses);
        return this.#capture(() => this.#run(body, inner));
      } finally {
        this.#depth--;
      }
    };
    const attributes = new Map<string, Value>([
      ["name", name],
      ["arguments", new PyTuple(parameters.map((parameter) => parameter.name))],
      ["catch_kwargs", uses.has("kwargs")],
      ["catch_varargs", uses.has("varargs")],
      ["caller", uses.has("caller")],
    ]);
    return new PyFunction(name, call, attributes);
  }

  #bind(name: string, parameters: readonly Parameter[], args: Arguments, scope: Scope, uses: Set<string>): void {
    const named = new Map(args.named);
    const declared = new Set(parameters.map((parameter) => parameter.name));
    for (const [index, parameter] of parameters.entries()) {
      let value = args.positional[index];
      if (value === undefined) {
        value = named.get(parameter.name);
        named.delete(parameter.name);
      }
      if (value === undefined && parameter.default !== null) value = this.#evaluate(parameter.default, scope);
      const missing = new Undefined(`parameter '${parameter.name}' was not provided`);
      scope.set(parameter.name, value === undefined ? missing : value);
    }
    if (!declared.has("caller") && uses.has("caller")) {
      const caller = named.get("caller");
      scope.set("caller", caller === undefined ? new Undefined("No caller defined") : caller);
      named.delete("caller");
    }
    if (uses.has("kwargs") && !declared.has("kwargs")) scope.set("kwargs", PyDict.of(named));
    else if (named.size > 0) {
      const first = [...named.keys()][0]!;
      if (first === "caller") {
        throw typeError(`macro '${name}' was invoked with two values for the special caller argument`);
      }
      throw typeError(`macro '${name}' takes no keyword argument '${first}'`);
    }
    if (uses.has("varargs") && !declared.has("varargs")) {
      scope.set("varargs", new PyTuple(args.positional.slice(parameters.length)));
    } else if (args.positional.length > parameters.length) {
      throw typeError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
    }
  }

  #name(name: string, scope: Scope): Value {
    const value = scope.get(name);
    return value === undefined ? new Undefined(`'${name}' is undefined`) : value;
  }

  #evaluate(node: Expression, scope: Scope): Value {
    switch (node.kind) {
      case "constant":
        return node.value;
      case "name":
        return this.#name(node.name, scope);
      case "list":
        return node.items.map((item) => this.#evaluate(item, scope));
      case "tuple":
        return new PyTuple(node.items.map((item) => this.#evaluate(item, scope)));
      case "dict":
        return PyDict.of(
          node.entries.map(([key, value]) => [this.#evaluate(key, scope), this.#evaluate(value, scope)] as const),
        );
      case "attribute":
        return getAttribute(this.#evaluate(node.object, scope), node.name);
      case "item": {
        const object = this.#evaluate(node.object, scope);
        if (node.key.kind === "slice") return sliceOf(object, this.#slice(node.key, scope));
        return getItem(object, this.#evaluate(node.key, scope));
      }
      case "slice":
        throw typeError("a slice is no value of its own");
      case "call":
        return this.#call(node, scope, null);
      case "filter":
        return this.#filter(node, this.#evaluate(node.target, scope), scope);
      case "test":
        return applyTest(node.name, this.#evaluate(node.target, scope), this.#arguments(node.args, scope));
      case "not":
        return !truthy(this.#evaluate(node.operand, scope));
      case "negative":
        return negative(this.#evaluate(node.operand, scope));
      case "positive":
        return positive(this.#evaluate(node.operand, scope));
      case "and": {
        const left = this.#evaluate(node.left, scope);
        return truthy(left) ? this.#evaluate(node.right, scope) : left;
      }
      case "or": {
        const left = this.#evaluate(node.left, scope);
        return truthy(left) ? left : this.#evaluate(node.right, scope);
      }
      case "arithmetic":
        return arithmetic(node.operator, this.#evaluate(node.left, scope), this.#evaluate(node.right, scope));
      case "concat":
        return node.parts.map((part) => str(this.#evaluate(part, scope))).join("");
      case "compare":
        return this.#compare(node, scope);
      case "conditional":
        if (truthy(this.#evaluate(node.test, scope))) return this.#evaluate(node.value, scope);
        if (node.otherwise !== null) return this.#evaluate(node.otherwise, scope);
        return new Undefined("the inline if-expression evaluated to false and no else section was defined.");
    }
  }

  #slice(node: Expression & { kind: "slice" }, scope: Scope): Slice {
    const part = (expression: Expression | null): Value =>
      expression === null ? null : this.#evaluate(expression, scope);
    return new Slice(part(node.start), part(node.stop), part(node.step));
  }

  #compare(node: Expression & { kind: "compare" }, scope: Scope): boolean {
    let left = this.#evaluate(node.first, scope);
    for (const [operator, expression] of node.rest) {
      const right = this.#evaluate(expression, scope);
      let holds: boolean;
      if (operator === "==") holds = equals(left, right);
      else if (operator === "!=") holds = !equals(left, right);
      else if (operator === "in") holds = contains(right, left);
      else if (operator === "not in") holds = !contains(right, left);
      else holds = ordered(left, operator, right);
      if (!holds) return false;
      left = right;
    }
    return true;
  }

  #arguments(args: CallArguments, scope: Scope): Arguments {
    const positional = args.positional.map((argument) => this.#evaluate(argument, scope));
    const named = new Map<string, Value>();
    for (const [name, value] of args.named) {
      if (named.has(name)) throw new PyError("TemplateSyntaxError", `keyword argument repeated: ${name}`);
      named.set(name, this.#evaluate(value, scope));
    }
    if (args.rest !== null) positional.push(...iterate(this.#evaluate(args.rest, scope)));
    if (args.namedRest !== null) {
      const rest = this.#evaluate(args.namedRest, scope);
      if (!(rest instanceof PyDict)) throw typeError(`argument after ** must be a mapping, not ${typeName(rest)}`);
      for (const [name, value] of rest.entries()) {
        if (!isText(name)) throw typeError("keywords must be strings");
        if (named.has(textOf(name))) throw typeError(`got multiple values for keyword argument '${textOf(name)}'`);
        named.set(textOf(name), value);
      }
    }
    return { positional, named };
  }

  #call(node: Expression, scope: Scope, caller: PyFunction | null): Value {
    if (node.kind !== "call") throw typeError("a call block needs a call");
    const callee = this.#evaluate(node.callee, scope);
    const args = this.#arguments(node.args, scope);
    if (caller !== null) args.named.set("caller", caller);
    return invoke(callee, args);
  }
}

/** Calls what can be called. */
export function invoke(callee: Value, args: Arguments): Value {
  if (callee instanceof PyFunction) return callee.call(args);
  if (callee instanceof PyObject && callee.call !== null) return callee.call(args);
  if (callee instanceof Undefined) throw callee.fail();
  throw typeError(`'${typeName(callee)}' object is not callable`);
}

function valueCount(expected: number, got: number): PyError {
  return got > expected
    ? new PyError("ValueError", `too many values to unpack (expected ${expected})`)
    : new PyError("ValueError", `not enough values to unpack (expected ${expected}, got ${got})`);
}

function iterateForUnpack(value: Value): Iterable<Value> {
  try {
    return iterate(value);
  } catch (error) {
    if (error instanceof PyError && error.kind === "TypeError") {
      throw typeError(`cannot unpack non-iterable ${typeName(value)} object`);
    }
    throw error;
  }
}

/** Which of the special names a macro's body uses; only those are given to it. */
function usedNames(body: readonly Statement[], parameters: readonly Parameter[]): Set<string> {
  const used = new Set<string>();
  JSON.stringify([body, parameters], (_key, node: unknown) => {
    if (typeof node === "bigint") return String(node);
    if (typeof node === "object" && node !== null && "kind" in node && node.kind === "name" && "name" in node) {
      if (node.name === "caller" || node.name === "varargs" || node.name === "kwargs") used.add(node.name);
    }
    return node;
  });
  return used;
}
