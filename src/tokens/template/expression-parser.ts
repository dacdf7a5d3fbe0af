/**
 * Parses expressions, by jinja2's grammar and precedence: conditional, or, and, not, comparison, sum, `~`, product,
 * power, sign, then what follows a value (attributes, items, calls, filters, tests).
 */
import type { CallArguments, ComparisonOperator, Expression, FilterStep } from "./ast.ts";
import { syntaxError, type Token } from "./lexer.ts";
import { FILTER_NAMES, TEST_NAMES } from "./names.ts";
import type { PyError } from "./values.ts";

const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);

interface TupleOptions {
  withCondition: boolean;
  /** A name that ends the tuple after a comma. */
  end?: string;
  parenthesized?: boolean;
}

export class ExpressionParser {
  readonly #tokens: readonly Token[];
  #at = 0;
  /** Inside an `if`, jinja2 looks filters and tests up when they run; elsewhere an unknown one fails at once. */
  soft = false;
  /** Uses of filters and tests that are unknown, and are looked up at once. */
  readonly unknown: PyError[] = [];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at]!;
  }

  advance(): Token {
    return this.#tokens[this.#at++]!;
  }

  unexpected(): PyError {
    const { type, value, line } = this.current;
    return syntaxError(type === "end" ? "unexpected end of template" : `unexpected '${value || type}'`, line);
  }

  expectType(type: Token["type"]): void {
    if (this.current.type !== type) throw this.unexpected();
    this.advance();
  }

  /** The current name, which has to be `name` if that is given. */
  expectName(name?: string): string {
    const token = this.current;
    if (token.type !== "name" || (name !== undefined && token.value !== name)) throw this.unexpected();
    this.advance();
    return token.value;
  }

  expectOperator(operator: string): void {
    if (!this.skipOperator(operator)) throw this.unexpected();
  }

  isOperator(operator: string): boolean {
    return this.current.type === "operator" && this.current.value === operator;
  }

  isName(name: string): boolean {
    return this.current.type === "name" && this.current.value === name;
  }

  skipOperator(operator: string): boolean {
    if (!this.isOperator(operator)) return false;
    this.advance();
    return true;
  }

  skipName(name: string): boolean {
    if (!this.isName(name)) return false;
    this.advance();
    return true;
  }

  /** One expression, or several with commas, which make a tuple. */
  tuple({ withCondition, end, parenthesized = false }: TupleOptions): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) {
        if (!this.skipOperator(",")) break;
        isTuple = true;
      }
      const { type } = this.current;
      if (type === "variable_end" || type === "block_end" || this.isOperator(")")) break;
      if (end !== undefined && this.isName(end)) break;
      items.push(withCondition ? this.expression() : this.#or());
    }
    if (isTuple) return { kind: "tuple", items };
    if (items.length === 1) return items[0]!;
    if (!parenthesized) throw this.unexpected();
    return { kind: "tuple", items };
  }

  expression(): Expression {
    const known = this.unknown.length;
    let value = this.#or();
    while (this.skipName("if")) {
      const test = this.#or();
      const otherwise = this.skipName("else") ? this.expression() : null;
      value = { kind: "conditional", test, value, otherwise };
      // What a conditional uses is looked up only when it runs.
      this.unknown.length = known;
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.skipName("or")) left = { kind: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.skipName("and")) left = { kind: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (this.isName("not")) {
      this.advance();
      return { kind: "not", operand: this.#not() };
    }
    return this.#compare();
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [ComparisonOperator, Expression][] = [];
    for (;;) {
      if (this.current.type === "operator" && COMPARISONS.has(this.current.value)) {
        const operator = this.advance().value as ComparisonOperator;
        rest.push([operator, this.#sum()]);
      } else if (this.skipName("in")) rest.push(["in", this.#sum()]);
      else if (this.isName("not") && this.#peek("in")) {
        this.#at += 2;
        rest.push(["not in", this.#sum()]);
      } else break;
    }
    return rest.length === 0 ? first : { kind: "compare", first, rest };
  }

  #peek(name: string): boolean {
    const next = this.#tokens[this.#at + 1];
    return next?.type === "name" && next.value === name;
  }

  #sum(): Expression {
    let left = this.#concat();
    for (;;) {
      if (this.skipOperator("+")) left = { kind: "arithmetic", operator: "+", left, right: this.#concat() };
      else if (this.skipOperator("-")) left = { kind: "arithmetic", operator: "-", left, right: this.#concat() };
      else return left;
    }
  }

  #concat(): Expression {
    const parts = [this.#product()];
    while (this.skipOperator("~")) parts.push(this.#product());
    return parts.length === 1 ? parts[0]! : { kind: "concat", parts };
  }

  #product(): Expression {
    let left = this.#power();
    for (;;) {
      const operator = (["*", "/", "//", "%"] as const).find((sign) => this.isOperator(sign));
      if (operator === undefined) return left;
      this.advance();
      left = { kind: "arithmetic", operator, left, right: this.#power() };
    }
  }

  #power(): Expression {
    let left = this.#unary();
    while (this.skipOperator("**")) left = { kind: "arithmetic", operator: "**", left, right: this.#unary() };
    return left;
  }

  #unary(withFilter = true): Expression {
    let value: Expression;
    if (this.skipOperator("-")) value = { kind: "negative", operand: this.#unary(false) };
    else if (this.skipOperator("+")) value = { kind: "positive", operand: this.#unary(false) };
    else value = this.#primary();
    value = this.#postfix(value);
    return withFilter ? this.#filtersAndTests(value) : value;
  }

  #primary(): Expression {
    const token = this.current;
    if (token.type === "name") {
      this.advance();
      if (token.value === "true" || token.value === "True") return { kind: "constant", value: true };
      if (token.value === "false" || token.value === "False") return { kind: "constant", value: false };
      if (token.value === "none" || token.value === "None") return { kind: "constant", value: null };
      return { kind: "name", name: token.value };
    }
    if (token.type === "string") {
      let text = "";
      while (this.current.type === "string") text += this.advance().value;
      return { kind: "constant", value: text };
    }
    if (token.type === "number") {
      this.advance();
      return { kind: "constant", value: token.number };
    }
    if (this.skipOperator("(")) {
      const value = this.tuple({ withCondition: true, parenthesized: true });
      this.expectOperator(")");
      return value;
    }
    if (this.skipOperator("[")) return this.#list();
    if (this.skipOperator("{")) return this.#dict();
    throw this.unexpected();
  }

  #list(): Expression {
    const items: Expression[] = [];
    while (!this.skipOperator("]")) {
      if (items.length > 0) this.expectOperator(",");
      if (this.skipOperator("]")) break;
      items.push(this.expression());
    }
    return { kind: "list", items };
  }

  #dict(): Expression {
    const entries: [Expression, Expression][] = [];
    while (!this.skipOperator("}")) {
      if (entries.length > 0) this.expectOperator(",");
      if (this.skipOperator("}")) break;
      const key = this.expression();
      this.expectOperator(":");
      entries.push([key, this.expression()]);
    }
    return { kind: "dict", entries };
  }

  #postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.skipOperator(".")) value = this.#dotted(value);
      else if (this.skipOperator("[")) value = { kind: "item", object: value, key: this.#subscript() };
      else if (this.isOperator("(")) value = { kind: "call", callee: value, args: this.callArguments() };
      else return value;
    }
  }

  #dotted(object: Expression): Expression {
    const token = this.advance();
    if (token.type === "name") return { kind: "attribute", object, name: token.value };
    if (token.type === "number" && typeof token.number === "number") {
      return { kind: "item", object, key: { kind: "constant", value: token.number } };
    }
    throw syntaxError("expected name or number", token.line);
  }

  #subscript(): Expression {
    const items: Expression[] = [];
    while (!this.skipOperator("]")) {
      if (items.length > 0) this.expectOperator(",");
      items.push(this.#subscribed());
    }
    return items.length === 1 ? items[0]! : { kind: "tuple", items };
  }

  #subscribed(): Expression {
    let start: Expression | null = null;
    if (!this.isOperator(":")) {
      start = this.expression();
      if (!this.isOperator(":")) return start;
    }
    this.advance();
    const part = (): Expression | null =>
      this.isOperator(":") || this.isOperator("]") || this.isOperator(",") ? null : this.expression();
    const stop = part();
    const step = this.skipOperator(":") ? part() : null;
    return { kind: "slice", start, stop, step };
  }

  callArguments(): CallArguments {
    const args: CallArguments = { positional: [], named: [], rest: null, namedRest: null };
    this.expectOperator("(");
    let first = true;
    while (!this.skipOperator(")")) {
      if (!first) {
        this.expectOperator(",");
        if (this.skipOperator(")")) break;
      }
      first = false;
      const line = this.current.line;
      const invalid = (): PyError => syntaxError("invalid syntax for function call expression", line);
      if (this.skipOperator("**")) {
        if (args.namedRest !== null) throw invalid();
        args.namedRest = this.expression();
      } else if (this.skipOperator("*")) {
        if (args.rest !== null || args.namedRest !== null) throw invalid();
        args.rest = this.expression();
      } else if (this.current.type === "name" && this.#isAssignment()) {
        if (args.namedRest !== null) throw invalid();
        const name = this.expectName();
        this.advance();
        args.named.push([name, this.expression()]);
      } else {
        if (args.rest !== null || args.namedRest !== null || args.named.length > 0) throw invalid();
        args.positional.push(this.expression());
      }
    }
    return args;
  }

  #isAssignment(): boolean {
    const next = this.#tokens[this.#at + 1];
    return next?.type === "operator" && next.value === "=";
  }

  #dottedName(): string {
    let name = this.expectName();
    while (this.skipOperator(".")) name += `.${this.expectName()}`;
    return name;
  }

  /** A filter's name and arguments, the `|` before it already read. */
  filterStep(): FilterStep {
    const line = this.current.line;
    const name = this.#dottedName();
    if (!this.soft && !FILTER_NAMES.has(name)) this.unknown.push(syntaxError(`No filter named '${name}'.`, line));
    return { name, args: this.isOperator("(") ? this.callArguments() : noArguments() };
  }

  #filtersAndTests(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.skipOperator("|")) value = { kind: "filter", target: value, ...this.filterStep() };
      else if (this.skipName("is")) value = this.#test(value);
      else if (this.isOperator("(")) value = { kind: "call", callee: value, args: this.callArguments() };
      else return value;
    }
  }

  #test(target: Expression): Expression {
    const negated = this.skipName("not");
    const line = this.current.line;
    const name = this.#dottedName();
    if (!this.soft && !TEST_NAMES.has(name)) this.unknown.push(syntaxError(`No test named '${name}'.`, line));
    let args = noArguments();
    if (this.isOperator("(")) args = this.callArguments();
    else if (this.#startsTestArgument()) {
      if (this.isName("is")) throw syntaxError("You cannot chain multiple tests with is", line);
      args = { ...noArguments(), positional: [this.#postfix(this.#primary())] };
    }
    const test: Expression = { kind: "test", target, name, args };
    return negated ? { kind: "not", operand: test } : test;
  }

  #startsTestArgument(): boolean {
    const { type, value } = this.current;
    if (type === "name") return value !== "else" && value !== "or" && value !== "and";
    return type === "string" || type === "number" || (type === "operator" && ["(", "[", "{"].includes(value));
  }
}

const noArguments = (): CallArguments => ({ positional: [], named: [], rest: null, namedRest: null });
