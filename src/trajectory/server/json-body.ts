/** A request's body as JSON. */
import type { FastifyRequest } from "fastify";
import { InvalidBody } from "../wire/problem-detail.ts";

/** Throws `InvalidBody` where there is none, or where it is no JSON. */
export function jsonBody(request: FastifyRequest): unknown {
  const body = request.body as Buffer | null | undefined;
  if (!body || body.length === 0) {
    throw new InvalidBody([{ type: "missing", loc: ["body"], msg: "Field required", input: null }]);
  }
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "application/json";
  if (type !== "application/json" && !type.endsWith("+json")) {
    const msg = "Input should be a valid dictionary or object to extract fields from";
    throw new InvalidBody([
      { type: "model_attributes_type", loc: ["body"], msg, input: body.toString("utf8", 0, 200) },
    ]);
  }
  const text = body.toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const offset = Number(/position (\d+)/.exec(message)?.[1] ?? 0);
    throw new InvalidBody([
      { type: "json_invalid", loc: ["body", offset], msg: "JSON decode error", input: {}, ctx: { error: message } },
    ]);
  }
}
