/** Refused input in the form that protocol v1 speaks: a list of places, messages and types. */

export interface ProblemDetail {
  type: string;
  /** From `body` down: field names and indexes. */
  loc: (string | number)[];
  msg: string;
  input?: unknown;
  ctx?: Record<string, unknown>;
}

/** A body that was understood as JSON and refused: HTTP 422. */
export class InvalidBody extends Error {
  override readonly name = "InvalidBody";
  readonly detail: ProblemDetail[];

  constructor(detail: ProblemDetail[]) {
    super(detail.map((problem) => `${problem.loc.join(".")}: ${problem.msg}`).join("; "));
    this.detail = detail;
  }
}
