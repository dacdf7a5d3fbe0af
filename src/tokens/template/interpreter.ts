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
import { declareTarget, Symbols, visitExpression, visitFilters, visitParameters, visitStatements } from "./scoping.ts";
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

/** Names and their values. A name that is there without a value hides the outer one: it is set later or not at all. */
class Scope {
  readonly symbols: Symbols;
  readonly #names = new Map<string, Value | undefined>();
  readonly #outer: Scope | null;
  readonly #given: ReadonlyMap<string, Value>;

  constructor(symbols: Symbols, outer: Scope | null, given: ReadonlyMap<string, Value>) {
    this.symbols = symbols;
    this.#outer = outer;
    this.#given = given;
    for (const [name, load] of symbols.loads) {
      this.#names.set(name, load === "given" ? given.get(name) : load === "outer" ? outer?.get(name) : undefined);
    }
  }

  /** A scope inside of this one, for a part of a statement. */
  inner(statement: object, part: string, analyse: (symbols: Symbols) => void): Scope {
    return new Scope(this.symbols.inner(statement, part, analyse), this, this.#given);
  }

  get(name: string): Value | undefined {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#outer) {
      if (scope.#names.has(name)) return scope.#names.get(name);
    }
    return this.#given.get(name);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

type MacroLike = Statement & { kind: "macro" | "callBlock" };

/** How a run of statements ended. */
type Flow = "end" | "break" | "continue";

/** More nesting than any template has, and less than the stack holds. */
const DEEPEST = 400;

export class Interpreter {
  #output: string[] = [];
  #depth = 0;

  /** Renders the template's statements with the given names. */
  render(statements: readonly Statement[], globals: ReadonlyMap<string, Value>): string {
    const symbols = new Symbols(null);
    visitStatements(statements, symbols);
    this.#run(statements, new Scope(symbols, null, globals));
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
        const inner = scope.inner(statement, "body", (symbols) => visitStatements(statement.body, symbols));
        const text = this.#capture(() => this.#run(statement.body, inner));
        this.#assign(statement.target, this.#filtered(text, statement.filters, scope), scope);
        return "end";
      }
      case "macro":
        scope.set(statement.name, this.#macro(statement.name, statement, scope));
        return "end";
      case "callBlock": {
        const caller = this.#macro("caller", statement, scope);
        this.#output.push(str(this.#call(statement.call, scope, caller)));
        return "end";
      }
      case "filterBlock": {
        const inner = scope.inner(statement, "body", (symbols) => {
          visitStatements(statement.body, symbols);
          visitFilters(statement.filters, symbols);
        });
        const text = this.#capture(() => this.#run(statement.body, inner));
        const filtered = this.#filtered(text, statement.filters, inner);
        // jinja2 joins the value as it is, without turning it into text.
        if (!isText(filtered)) {
          throw typeError(`sequence item 0: expected str instance, ${typeName(filtered)} found`);
        }
        this.#output.push(str(filtered));
        return "end";
      }
      case "with": {
        const inner = scope.inner(statement, "body", (symbols) => {
          for (const [target] of statement.bindings) declareTarget(target, symbols);
          visitStatements(statement.body, symbols);
        });
        // The values are all read outside: one does not see the other.
        const values = statement.bindings.map(([, value]) => this.#evaluate(value, scope));
        for (const [index, [target]] of statement.bindings.entries()) this.#assign(target, values[index]!, inner);
        return this.#run(statement.body, inner);
      }
      case "scope":
        return this.#run(
          statement.body,
          scope.inner(statement, "body", (symbols) => visitStatements(statement.body, symbols)),
        );
      case "break":
      case "continue":
        return statement.kind;
    }
  }

  #for(statement: Statement & { kind: "for" }, iterable: Value, scope: Scope, depth: number): void {
    if (depth > DEEPEST) throw new PyError("RecursionError", "maximum recursion depth exceeded");
    const { target, condition, body } = statement;
    const test = (item: Value): boolean => {
      if (condition === null) return true;
      const inner = scope.inner(statement, "test", (symbols) => {
        declareTarget(target, symbols);
        visitExpression(condition, symbols);
      });
      this.#assign(target, item, inner);
      return truthy(this.#evaluate(condition, inner));
    };
    // Without a look at `loop`, each item is tested when its turn comes: what the passes before did counts.
    const late = condition !== null && !usesLoop(body);
    const items: Value[] = [];
    for (const item of iterate(iterable)) if (late || test(item)) items.push(item);
    const position = { index: 0 };
    const recurse = statement.recursive
      ? (value: Value): Value => this.#capture(() => this.#for(statement, value, scope, depth + 1))
      : null;
    const loop = loopObject(items, position, depth, recurse);
    // jinja2 counts a pass as one when its end is reached: after `break` or `continue` in each, `else` is run.
    let passed = false;
    for (const [index, item] of items.entries()) {
      position.index = index;
      if (late && !test(item)) continue;
      const inner = scope.inner(statement, "body", (symbols) => {
        symbols.parameter("loop");
        declareTarget(target, symbols);
        visitStatements(body, symbols);
      });
      inner.set("loop", loop);
      this.#assign(target, item, inner);
      const flow = this.#run(body, inner);
      if (flow === "break") break;
      passed ||= flow === "end";
    }
    if (passed) return;
    const otherwise = scope.inner(statement, "else", (symbols) => visitStatements(statement.otherwise, symbols));
    this.#run(statement.otherwise, otherwise);
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

  #macro(name: string, statement: MacroLike, scope: Scope): PyFunction {
    const { parameters, body } = statement;
    const uses = usedNames(body, parameters);
    const call = (args: Arguments): Value => {
      if (++this.#depth > DEEPEST) throw new PyError("RecursionError", "maximum recursion depth exceeded");
      try {
        const inner = scope.inner(statement, "body", (symbols) => {
          visitParameters(parameters, symbols);
          visitStatements(body, symbols);
          for (const special of uses) symbols.parameter(special);
        });
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

function usesLoop(body: readonly Statement[]): boolean {
  return mentions(body, ["loop"]).size > 0;
}

/** Which of the special names a macro's body uses; only those are given to it. */
function usedNames(body: readonly Statement[], parameters: readonly Parameter[]): Set<string> {
  return mentions([body, parameters], ["caller", "varargs", "kwargs"]);
}

const mentioned = new WeakMap<object, Set<string>>();

/** Which of the names a part of the tree reads. */
function mentions(tree: object, names: readonly string[]): Set<string> {
  const known = mentioned.get(tree);
  if (known !== undefined) return known;
  const used = new Set<string>();
  JSON.stringify(tree, (_key, node: unknown) => {
    if (typeof node === "bigint") return String(node);
    if (typeof node === "object" && node !== null && "kind" in node && node.kind === "name" && "name" in node) {
      if (names.includes(String(node.name))) used.add(String(node.name));
    }
    return node;
  });
  mentioned.set(tree, used);
  return used;
}
