/** The body of `POST /sessions/create`, checked: what is not known is refused with the nearest name, never ignored. */
import { isObject, nearestName } from "../../core/index.ts";
import { getParser } from "../../parsers/index.ts";
import { type Body, flag, refuse } from "../embedded/http/body.ts";
import { NO_BUDGETS, type SessionBudgets } from "./budget.ts";
import { refusal } from "./wire-errors.ts";

export interface SessionRequest {
  tool_parser: string | null;
  track_tree: boolean;
  base_url: string | null;
  preserve_thinking: boolean;
  template_kwargs: Record<string, unknown>;
  stop: string[];
  budgets: Partial<SessionBudgets>;
}

const BUDGETS = Object.keys(NO_BUDGETS) as (keyof SessionBudgets)[];
const FIELDS = ["tool_parser", "track_tree", "base_url", "preserve_thinking", "template_kwargs", "stop", "budgets"];
const WHOLE: readonly string[] = ["max_turns", "token_budget", "max_trajectory_tokens", "max_tokens"];

/** Budgets may stand in `budgets` or beside the other fields. */
export function sessionRequest(body: Body): SessionRequest {
  const parser = text(body, "tool_parser");
  if (parser !== null) getParser(parser);
  const { budgets = {}, stop = [], template_kwargs = {} } = body;
  if (budgets !== null && !isObject(budgets)) throw refuse("budgets", "an object");
  if (!isObject(template_kwargs)) throw refuse("template_kwargs", "an object");
  if (!Array.isArray(stop) || !stop.every((item) => typeof item === "string"))
    throw refuse("stop", "a list of strings");
  refuseUnknown(body, [...FIELDS, ...BUDGETS], "");
  refuseUnknown(budgets ?? {}, BUDGETS, "budgets.");
  return {
    tool_parser: parser,
    track_tree: flag(body, "track_tree"),
    base_url: text(body, "base_url"),
    preserve_thinking: flag(body, "preserve_thinking"),
    template_kwargs,
    stop,
    budgets: budgetsOf({ ...body, ...budgets }),
  };
}

function budgetsOf(fields: Body): Partial<SessionBudgets> {
  const budgets: Partial<SessionBudgets> = {};
  for (const name of BUDGETS) {
    const value = fields[name] ?? null;
    if (value === null) continue;
    const isWhole = WHOLE.includes(name);
    if (typeof value !== "number" || !(value >= 0) || (isWhole && !Number.isSafeInteger(value))) {
      throw refuse(name, isWhole ? "a whole number of at least 0" : "a number of at least 0");
    }
    budgets[name] = value;
  }
  return budgets;
}

function refuseUnknown(fields: Body, known: readonly string[], prefix: string): void {
  for (const name of Object.keys(fields)) {
    if (known.includes(name)) continue;
    const near = nearestName(name, known);
    const hint = near === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${near}?`;
    throw refusal(400, "unknown_field", `${prefix}${name} is no field of a session. ${hint}`);
  }
}

function text(body: Body, field: string): string | null {
  const value = body[field] ?? null;
  if (value !== null && typeof value !== "string") throw refuse(field, "a string");
  return value === "" ? null : value;
}
