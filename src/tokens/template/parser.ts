/**
 * Parses a template's statements, by jinja2's grammar with its loop controls and transformers' `generation` block.
 * Expressions are read by `ExpressionParser`.
 */
import type { Expression, FilterStep, Parameter, Statement, Target } from "./ast.ts";
import { ExpressionParser } from "./expression-parser.ts";
import { syntaxError, tokenize } from "./lexer.ts";

export function parseTemplate(template: string): Statement[] {
  return new StatementParser(tokenize(template)).template();
}

class StatementParser extends ExpressionParser {
  #loops = 0;

  template(): Statement[] {
    const body = this.#body([]);
    if (this.current.type !== "end") throw this.unexpected();
    if (this.unknown[0] !== undefined) throw this.unknown[0];
    return body;
  }

  /** Statements up to a block whose name is one of `ends`; its name is the current token then. */
  #body(ends: readonly string[]): Statement[] {
    const statements: Statement[] = [];
    for (;;) {
      const token = this.current;
      if (token.type === "data") {
        statements.push({ kind: "text", text: token.value });
        this.advance();
      } else if (token.type === "variable_begin") {
        this.advance();
        statements.push({ kind: "output", values: [this.tuple({ withCondition: true })] });
        this.expectType("variable_end");
      } else if (token.type === "block_begin") {
        this.advance();
        if (ends.includes(this.current.value) && this.current.type === "name") return statements;
        statements.push(...this.#statement());
        this.expectType("block_end");
      } else if (token.type === "end") {
        if (ends.length > 0) throw syntaxError(`Unexpected end of template; expected ${ends.join(" or ")}`, token.line);
        return statements;
      } else throw this.unexpected();
    }
  }

  /** A block's inside: after its head's end, up to and with its end tag's name. */
  #block(ends: readonly string[], hard = true): Statement[] {
    if (this.isOperator(":")) this.advance();
    this.expectType("block_end");
    const soft = this.soft;
    this.soft = !hard;
    const body = this.#body(ends);
    this.soft = soft;
    return body;
  }

  #statement(): Statement[] {
    const line = this.current.line;
    const name = this.expectName();
    switch (name) {
      case "for":
        return [this.#for()];
      case "if":
        return [this.#if()];
      case "set":
        return [this.#set()];
      case "macro":
        return [this.#macro()];
      case "call":
        return [this.#call()];
      case "filter":
        return [this.#filter()];
      case "with":
        return [this.#with()];
      case "print":
        return [this.#print()];
      case "generation": {
        const body = this.#block(["endgeneration"]);
        this.advance();
        return [{ kind: "scope", body }];
      }
      case "autoescape":
        return [this.#autoescape()];
      case "block":
        return [this.#inlineBlock()];
      case "break":
      case "continue":
        if (this.#loops === 0) throw syntaxError(`'${name}' outside loop`, line);
        return [{ kind: name }];
      case "include":
      case "import":
      case "from":
      case "extends":
        throw syntaxError(`'${name}' needs other templates, which a chat template has none of`, line);
      default:
        throw syntaxError(`Encountered unknown tag '${name}'`, line);
    }
  }

  #for(): Statement {
    const target = this.#target("in");
    this.expectName("in");
    const iterable = this.tuple({ withCondition: false, end: "recursive" });
    const soft = this.soft;
    this.soft = false;
    const condition = this.skipName("if") ? this.expression() : null;
    const recursive = this.skipName("recursive");
    this.soft = soft;
    this.#loops++;
    const body = this.#block(["endfor", "else"]);
    this.#loops--;
    const otherwise = this.expectName() === "else" ? this.#block(["endfor"]) : null;
    if (otherwise !== null) this.advance();
    return { kind: "for", target, iterable, condition, recursive, body, otherwise: otherwise ?? [] };
  }

  #if(): Statement {
    const branches: { test: Expression; body: Statement[] }[] = [];
    let otherwise: Statement[] = [];
    for (;;) {
      const soft = this.soft;
      this.soft = true;
      const test = this.tuple({ withCondition: false });
      this.soft = soft;
      branches.push({ test, body: this.#block(["elif", "else", "endif"], false) });
      const next = this.expectName();
      if (next === "elif") continue;
      if (next === "else") {
        otherwise = this.#block(["endif"], false);
        this.advance();
      }
      return { kind: "if", branches, otherwise };
    }
  }

  #set(): Statement {
    const target = this.#target(null, true);
    if (this.skipOperator("=")) return { kind: "set", target, value: this.tuple({ withCondition: true }) };
    const filters = this.isOperator("|") ? this.#filters() : [];
    const body = this.#block(["endset"]);
    this.advance();
    return { kind: "setBlock", target, filters, body };
  }

  #filters(): FilterStep[] {
    const steps: FilterStep[] = [];
    while (this.skipOperator("|")) steps.push(this.filterStep());
    return steps;
  }

  #filter(): Statement {
    const filters = [this.filterStep(), ...this.#filters()];
    const body = this.#block(["endfilter"]);
    this.advance();
    return { kind: "filterBlock", filters, body };
  }

  #macro(): Statement {
    const name = this.#assignedName();
    const parameters = this.#parameters();
    const body = this.#outsideLoops(() => this.#block(["endmacro"]));
    this.advance();
    return { kind: "macro", name, parameters, body };
  }

  #call(): Statement {
    const parameters = this.isOperator("(") ? this.#parameters() : [];
    const call = this.expression();
    if (call.kind !== "call") throw syntaxError("expected call", this.current.line);
    const body = this.#outsideLoops(() => this.#block(["endcall"]));
    this.advance();
    return { kind: "callBlock", call, parameters, body };
  }

  /** A macro's body is a function of its own: a `break` in it would leave no loop. */
  #outsideLoops<T>(read: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    const result = read();
    this.#loops = loops;
    return result;
  }

  #parameters(): Parameter[] {
    const parameters: Parameter[] = [];
    this.expectOperator("(");
    while (!this.skipOperator(")")) {
      if (parameters.length > 0) this.expectOperator(",");
      if (parameters.length > 0 && this.skipOperator(")")) break;
      const name = this.#assignedName();
      const value = this.skipOperator("=") ? this.expression() : null;
      if (value === null && parameters.at(-1)?.default) {
        throw syntaxError("non-default argument follows default argument", this.current.line);
      }
      parameters.push({ name, default: value });
    }
    return parameters;
  }

  #with(): Statement {
    const bindings: [Target, Expression][] = [];
    while (this.current.type !== "block_end") {
      if (bindings.length > 0) this.expectOperator(",");
      const target = this.#target("=");
      this.expectOperator("=");
      bindings.push([target, this.expression()]);
    }
    const body = this.#block(["endwith"]);
    this.advance();
    return { kind: "with", bindings, body };
  }

  #print(): Statement {
    const values: Expression[] = [];
    while (this.current.type !== "block_end") {
      if (values.length > 0) this.expectOperator(",");
      values.push(this.expression());
    }
    return { kind: "output", values };
  }

  #autoescape(): Statement {
    this.expression();
    const body = this.#block(["endautoescape"]);
    this.advance();
    return { kind: "scope", body };
  }

  #inlineBlock(): Statement {
    const name = this.expectName();
    this.skipName("scoped");
    this.skipName("required");
    const body = this.#block(["endblock"]);
    this.advance();
    this.skipName(name);
    return { kind: "scope", body };
  }

  #assignedName(): string {
    const line = this.current.line;
    const name = this.expectName();
    if (["true", "false", "none", "True", "False", "None"].includes(name)) {
      throw syntaxError(`can't assign to '${name}'`, line);
    }
    return name;
  }

  /** One target or several with commas; `end` is the word or sign that follows. */
  #target(end: string | null, withField = false): Target {
    const first = this.#oneTarget(withField);
    if (!this.isOperator(",")) return first;
    const items = [first];
    while (this.skipOperator(",")) {
      if (this.current.value === end || this.current.type === "block_end" || this.isOperator("=")) break;
      items.push(this.#oneTarget(withField));
    }
    return { kind: "tuple", items };
  }

  #oneTarget(withField: boolean): Target {
    if (this.skipOperator("(")) {
      const inner = this.#target(")", withField);
      this.expectOperator(")");
      return inner;
    }
    const name = this.#assignedName();
    if (withField && this.skipOperator(".")) return { kind: "field", object: name, name: this.expectName() };
    return { kind: "name", name };
  }
}
