/** The syntax tree of a template. */
import type { Value } from "./values.ts";

export interface CallArguments {
  positional: Expression[];
  named: [name: string, value: Expression][];
  /** `*expression` */
  rest: Expression | null;
  /** `**expression` */
  namedRest: Expression | null;
}

export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

export type Expression =
  | { kind: "constant"; value: Value }
  | { kind: "name"; name: string }
  | { kind: "list" | "tuple"; items: Expression[] }
  | { kind: "dict"; entries: [Expression, Expression][] }
  | { kind: "attribute"; object: Expression; name: string }
  | { kind: "item"; object: Expression; key: Expression }
  | { kind: "slice"; start: Expression | null; stop: Expression | null; step: Expression | null }
  | { kind: "call"; callee: Expression; args: CallArguments }
  | { kind: "filter"; target: Expression; name: string; args: CallArguments }
  | { kind: "test"; target: Expression; name: string; args: CallArguments }
  | { kind: "not" | "negative" | "positive"; operand: Expression }
  | { kind: "and" | "or"; left: Expression; right: Expression }
  | { kind: "arithmetic"; operator: "+" | "-" | "*" | "/" | "//" | "%" | "**"; left: Expression; right: Expression }
  | { kind: "concat"; parts: Expression[] }
  | { kind: "compare"; first: Expression; rest: [ComparisonOperator, Expression][] }
  | { kind: "conditional"; test: Expression; value: Expression; otherwise: Expression | null };

export type Target =
  | { kind: "name"; name: string }
  | { kind: "tuple"; items: Target[] }
  | { kind: "field"; object: string; name: string };

export interface Parameter {
  name: string;
  default: Expression | null;
}

export interface FilterStep {
  name: string;
  args: CallArguments;
}

export type Statement =
  | { kind: "text"; text: string }
  | { kind: "output"; values: Expression[] }
  | { kind: "if"; branches: { test: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | {
      kind: "for";
      target: Target;
      iterable: Expression;
      condition: Expression | null;
      recursive: boolean;
      body: Statement[];
      otherwise: Statement[];
    }
  | { kind: "set"; target: Target; value: Expression }
  | { kind: "setBlock"; target: Target; filters: FilterStep[]; body: Statement[] }
  | { kind: "macro"; name: string; parameters: Parameter[]; body: Statement[] }
  | { kind: "callBlock"; call: Expression; parameters: Parameter[]; body: Statement[] }
  | { kind: "filterBlock"; filters: FilterStep[]; body: Statement[] }
  | { kind: "with"; bindings: [Target, Expression][]; body: Statement[] }
  | { kind: "scope"; body: Statement[] }
  | { kind: "break" | "continue" };
