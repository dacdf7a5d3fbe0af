/**
 * Which names each scope of a template has of its own, found before it runs, as jinja2 finds them: a scope that sets a
 * name anywhere has it everywhere, so that what stands in an inner scope before the set does not see what the template
 * was given under that name. `if` has no scope of its own.
 */
import type { CallArguments, Expression, FilterStep, Parameter, Statement, Target } from "./ast.ts";

/** What a scope's name holds when the scope is entered. */
export type Load =
  /** What the template was given under that name. */
  | "given"
  /** What an outer scope's name holds now. */
  | "outer"
  /** Nothing until it is set. */
  | "nothing";

export class Symbols {
  readonly loads = new Map<string, Load>();
  readonly #stores = new Set<string>();
  readonly #outer: Symbols | null;
  readonly #inner = new WeakMap<object, Map<string, Symbols>>();

  constructor(outer: Symbols | null) {
    this.#outer = outer;
  }

  /** The scope of a statement's part inside of this one; analysed once. */
  inner(statement: object, part: string, analyse: (symbols: Symbols) => void): Symbols {
    let parts = this.#inner.get(statement);
    if (parts === undefined) {
      parts = new Map();
      this.#inner.set(statement, parts);
    }
    let symbols = parts.get(part);
    if (symbols === undefined) {
      symbols = new Symbols(this);
      parts.set(part, symbols);
      analyse(symbols);
    }
    return symbols;
  }

  knows(name: string): boolean {
    return this.loads.has(name) || (this.#outer?.knows(name) ?? false);
  }

  load(name: string): void {
    if (!this.knows(name)) this.loads.set(name, "given");
  }

  store(name: string): void {
    this.#stores.add(name);
    if (!this.loads.has(name)) this.loads.set(name, this.#outer?.knows(name) === true ? "outer" : "nothing");
  }

  parameter(name: string): void {
    this.#stores.add(name);
    this.loads.set(name, "nothing");
  }

  /** Takes in what each of some branches, of which one will run, does to a copy of this scope. */
  branches(visits: readonly ((symbols: Symbols) => void)[]): void {
    const copies = visits.map((visit) => {
      const copy = new Symbols(this.#outer);
      for (const [name, load] of this.loads) copy.loads.set(name, load);
      for (const name of this.#stores) copy.#stores.add(name);
      visit(copy);
      return copy;
    });
    const counts = new Map<string, number>();
    for (const { fresh } of copies.map((copy) => ({
      fresh: [...copy.#stores].filter((name) => !this.#stores.has(name)),
    })))
      for (const name of fresh) counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const copy of copies) {
      for (const [name, load] of copy.loads) this.loads.set(name, load);
      for (const name of copy.#stores) this.#stores.add(name);
    }
    for (const [name, count] of counts) {
      if (count < copies.length) this.loads.set(name, this.#outer?.knows(name) === true ? "outer" : "given");
    }
  }
}

export function visitStatements(statements: readonly Statement[], symbols: Symbols): void {
  for (const statement of statements) visitStatement(statement, symbols);
}

function visitStatement(statement: Statement, symbols: Symbols): void {
  switch (statement.kind) {
    case "output":
      for (const value of statement.values) visitExpression(value, symbols);
      return;
    case "if": {
      const [first, ...others] = statement.branches;
      visitExpression(first!.test, symbols);
      symbols.branches([
        (copy) => visitStatements(first!.body, copy),
        (copy) => {
          for (const { test, body } of others) {
            visitExpression(test, copy);
            copy.branches([(inner) => visitStatements(body, inner), () => {}, () => {}]);
          }
        },
        (copy) => visitStatements(statement.otherwise, copy),
      ]);
      return;
    }
    case "for":
      visitExpression(statement.iterable, symbols);
      return;
    case "set":
      visitExpression(statement.value, symbols);
      visitTarget(statement.target, symbols);
      return;
    case "setBlock":
      visitTarget(statement.target, symbols);
      return;
    case "macro":
      symbols.store(statement.name);
      return;
    case "callBlock":
      visitExpression(statement.call, symbols);
      return;
    case "filterBlock":
      visitFilters(statement.filters, symbols);
      return;
    case "with":
      for (const [, value] of statement.bindings) visitExpression(value, symbols);
      return;
    default:
      return;
  }
}

function visitTarget(target: Target, symbols: Symbols): void {
  if (target.kind === "name") symbols.store(target.name);
  else if (target.kind === "field") symbols.load(target.object);
  else for (const item of target.items) visitTarget(item, symbols);
}

/** Names of a `for` or `with`, which are set as the scope is entered. */
export function declareTarget(target: Target, symbols: Symbols): void {
  if (target.kind === "name") symbols.parameter(target.name);
  else if (target.kind === "tuple") for (const item of target.items) declareTarget(item, symbols);
}

export function visitParameters(parameters: readonly Parameter[], symbols: Symbols): void {
  for (const { name } of parameters) symbols.parameter(name);
  for (const parameter of parameters) if (parameter.default !== null) visitExpression(parameter.default, symbols);
}

export function visitFilters(filters: readonly FilterStep[], symbols: Symbols): void {
  for (const { args } of filters) visitArguments(args, symbols);
}

function visitArguments(args: CallArguments, symbols: Symbols): void {
  for (const value of args.positional) visitExpression(value, symbols);
  for (const [, value] of args.named) visitExpression(value, symbols);
  if (args.rest !== null) visitExpression(args.rest, symbols);
  if (args.namedRest !== null) visitExpression(args.namedRest, symbols);
}

export function visitExpression(node: Expression, symbols: Symbols): void {
  if (node.kind === "name") symbols.load(node.name);
  if (node.kind === "call" || node.kind === "filter" || node.kind === "test") {
    visitExpression(node.kind === "call" ? node.callee : node.target, symbols);
    visitArguments(node.args, symbols);
  }
  for (const part of partsOf(node)) if (part !== null) visitExpression(part, symbols);
}

/** The expressions that another is made of, in the order in which jinja2 visits them; without those of calls. */
function partsOf(node: Expression): readonly (Expression | null)[] {
  switch (node.kind) {
    case "list":
    case "tuple":
      return node.items;
    case "dict":
      return node.entries.flat();
    case "attribute":
      return [node.object];
    case "item":
      return [node.object, node.key];
    case "slice":
      return [node.start, node.stop, node.step];
    case "not":
    case "negative":
    case "positive":
      return [node.operand];
    case "and":
    case "or":
    case "arithmetic":
      return [node.left, node.right];
    case "concat":
      return node.parts;
    case "compare":
      return [node.first, ...node.rest.map(([, part]) => part)];
    case "conditional":
      return [node.test, node.value, node.otherwise];
    default:
      return [];
  }
}
