/** The OpenAPI document, made of the table of operations. */
import { ARROW_TYPE } from "../wire/arrow.ts";
import { LEASED, OPERATIONS, type Operation, REFUSALS, type Refusal } from "./openapi-operations.ts";
import { integer, ref, SCHEMAS, type Schema, string } from "./openapi-schemas.ts";

export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described(operation) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Lachesis trajectory API",
      version,
      description: "The durable exchange between environments and trainers. Paths without /v2 act on the default run.",
    },
    paths,
    components: { schemas: SCHEMAS, securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  };
}

function described(operation: Operation): object {
  const { path, summary, roles, body, arrow, answer, type, also, headers, query } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  const content = (schema: Schema, streams: boolean) => ({
    "application/json": { schema },
    ...(streams && { [ARROW_TYPE]: { schema: { type: "string", format: "binary" } } }),
  });
  const parameters = [
    ...names.map((name) => ({ name, in: "path", required: true, schema: string })),
    ...(query ?? []).map((name) => ({ name, in: "query", required: false, schema: { ...integer, minimum: 0 } })),
    ...(headers ?? []).map((name) => ({ name, in: "header", required: false, schema: { ...string, maxLength: 256 } })),
  ];
  const isLease = answer === LEASED;
  const whole = type ? { [type]: { schema: string } } : answer && content(answer, isLease);
  const refusal = { "application/json": { schema: ref("Problem") }, "text/plain": { schema: string } };
  return {
    summary,
    ...(roles && { security: [{}, { bearer: [] }], description: `Roles: ${[...roles, "admin"].join(", ")}.` }),
    ...(parameters.length > 0 && { parameters }),
    // GET /status-env takes its body's field in the query as well.
    ...(body && { requestBody: { required: query === undefined, content: content(body, !isLease && arrow === true) } }),
    responses: {
      200: { description: "OK", ...(whole && { content: whole }) },
      ...Object.fromEntries(Object.entries(also ?? {}).map(([status, text]) => [status, { description: text }])),
      ...Object.fromEntries(
        refusalsOf(operation).map((status) => [status, { description: REFUSALS[status], content: refusal }]),
      ),
      default: { description: "Refused", content: { "application/json": { schema: ref("Problem") } } },
    },
  };
}

function refusalsOf({ path, roles, body, query, errors }: Operation): Refusal[] {
  const found = new Set<Refusal>(errors);
  const add = (...more: Refusal[]) => {
    for (const status of more) found.add(status);
  };
  if (roles) add(401, 403, 503);
  if (body) add(400, 413, 415, 422);
  if (query) add(422);
  if (path.includes("/{run}")) add(404, 422);
  return [...found].sort((a, b) => a - b);
}
