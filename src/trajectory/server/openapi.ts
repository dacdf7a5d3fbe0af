/** The OpenAPI document: every route of the API with its roles, bodies and answers. A test holds it to the routes. */
import { ARROW_TYPE } from "../wire/arrow.ts";

type Schema = Record<string, unknown>;

const integer: Schema = { type: "integer" };
const number: Schema = { type: "number" };
const string: Schema = { type: "string" };
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const list = (items: Schema): Schema => ({ type: "array", items });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] });
const object = (required: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema => ({
  type: "object",
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

const SCHEMAS: Record<string, Schema> = {
  ScoredGroup: object(
    { tokens: list(list(integer)), masks: list(list(integer)), scores: list(number) },
    {
      advantages: orNull(list(list(number))),
      ref_logprobs: orNull(list(list(number))),
      messages: orNull(list(list({ type: "object", required: ["role", "content"] }))),
      generation_params: orNull({ type: "object" }),
      inference_logprobs: orNull(list(list(number))),
      overrides: orNull(list({ type: "object" })),
      group_overrides: orNull({ type: "object" }),
      images: {},
      env_id: orNull(integer),
      distill_token_ids: orNull(list(list(list(integer)))),
      distill_logprobs: orNull(list(list(list(number)))),
      weight_versions: orNull({ ...list(integer), minItems: 2, maxItems: 2 }),
      rollout_ids: orNull(list(string)),
      token_source: orNull({ enum: ["sampled", "rendered"] }),
      item_id: orNull(string),
      group_id: orNull(string),
    },
  ),
  RunRegistration: object(
    {
      wandb_group: string,
      wandb_project: string,
      batch_size: { ...integer, minimum: 1 },
      max_token_len: integer,
      checkpoint_dir: string,
      save_checkpoint_interval: integer,
      starting_step: integer,
      num_steps: integer,
    },
    { max_staleness: orNull(integer), max_queue_groups: orNull(integer), max_queue_bytes: orNull(integer) },
  ),
  EnvRegistration: object(
    { max_token_length: integer, desired_name: string, weight: number, group_size: { ...integer, minimum: 1 } },
    { min_batch_allocation: orNull(number), token: orNull(string) },
  ),
  EnvIdentifier: object({ env_id: { ...integer, minimum: 0 } }),
  EnvStatus: object(
    {
      current_step: integer,
      queue_size: integer,
      unallocated_fraction: number,
      self_queue_size: integer,
      max_group_size: integer,
      env_weight: number,
    },
    { revision: integer, trainer_gone: { type: "boolean" } },
  ),
  LeaseRequest: object({ trainer: string }, { max_wait_ms: integer, lease_ms: integer }),
  LeasedBatch: object({
    batch_id: string,
    step: integer,
    lease_expires_at: { ...string, format: "date-time" },
    groups: list(ref("ScoredGroup")),
  }),
  Problem: object({ detail: {} }, { code: string }),
};

interface Operation {
  method: "get" | "post" | "delete";
  path: string;
  summary: string;
  /** Who may call it beside admins; null: everybody. */
  roles: readonly string[] | null;
  body?: Schema;
  arrow?: boolean;
  answer?: Schema;
  /** Answers beside 200 that are no errors. */
  also?: Record<number, string>;
}

const ANYONE = ["env", "trainer"];

export const OPERATIONS: readonly Operation[] = [
  { method: "get", path: "/", summary: "Names the protocol", roles: null },
  { method: "get", path: "/healthz", summary: "The process answers", roles: null },
  { method: "get", path: "/readyz", summary: "The store answers", roles: null },
  { method: "get", path: "/docs", summary: "This document as a page", roles: null },
  { method: "get", path: "/live", summary: "Runs, queues, environments and trainers as a page", roles: null },
  { method: "get", path: "/openapi.json", summary: "This document", roles: null },
  { method: "get", path: "/metrics", summary: "Prometheus metrics", roles: ANYONE },
  {
    method: "post",
    path: "/register",
    summary: "v1: a trainer registers",
    roles: ["trainer"],
    body: ref("RunRegistration"),
    answer: object({ uuid: integer }),
  },
  {
    method: "post",
    path: "/register-env",
    summary: "v1: an environment registers",
    roles: ["env"],
    body: ref("EnvRegistration"),
  },
  {
    method: "post",
    path: "/disconnect-env",
    summary: "v1: an environment leaves",
    roles: ["env"],
    body: ref("EnvIdentifier"),
  },
  { method: "get", path: "/wandb_info", summary: "v1: where the trainer logs", roles: ANYONE },
  { method: "get", path: "/info", summary: "v1: batch size and sequence length", roles: ANYONE },
  {
    method: "get",
    path: "/batch",
    summary: "v1: the next batch, or null",
    roles: ["trainer"],
    answer: object({ batch: orNull(list(ref("ScoredGroup"))) }),
  },
  { method: "post", path: "/scored_data", summary: "v1: submits a group", roles: ["env"], body: ref("ScoredGroup") },
  {
    method: "post",
    path: "/scored_data_list",
    summary: "v1: submits groups",
    roles: ["env"],
    body: list(ref("ScoredGroup")),
  },
  { method: "get", path: "/status", summary: "v1: step and queue", roles: ANYONE },
  {
    method: "get",
    path: "/status-env",
    summary: "v1: status for an environment; env_id in a JSON body or the query",
    roles: ["env"],
    body: ref("EnvIdentifier"),
    answer: ref("EnvStatus"),
  },
  { method: "get", path: "/latest_example", summary: "v1: the last group that entered the queue", roles: ANYONE },
  { method: "get", path: "/reset_data", summary: "v1: forgets the run", roles: [] },
  { method: "get", path: "/v2/runs", summary: "All runs", roles: ANYONE },
  {
    method: "post",
    path: "/v2/runs/{run}",
    summary: "Creates or returns a run",
    roles: ["trainer"],
    body: ref("RunRegistration"),
  },
  {
    method: "get",
    path: "/v2/runs/{run}",
    summary: "Counts, step, environments, trainers, staleness, filtered",
    roles: ANYONE,
  },
  { method: "delete", path: "/v2/runs/{run}", summary: "Forgets a run", roles: [] },
  {
    method: "get",
    path: "/v2/runs/{run}/aside",
    summary: "Groups that were set aside, with their reasons",
    roles: ANYONE,
  },
  {
    method: "post",
    path: "/v2/runs/{run}/envs",
    summary: "An environment registers; its token brings it back under its id",
    roles: ["env"],
    body: ref("EnvRegistration"),
  },
  {
    method: "get",
    path: "/v2/runs/{run}/envs/{id}",
    summary: "Status for an environment",
    roles: ["env"],
    answer: ref("EnvStatus"),
  },
  {
    method: "get",
    path: "/v2/runs/{run}/envs/{id}/watch",
    summary: "The same as soon as the run changed: ?since=REVISION&wait_ms=",
    roles: ["env"],
    answer: ref("EnvStatus"),
  },
  { method: "delete", path: "/v2/runs/{run}/envs/{id}", summary: "An environment leaves", roles: ["env"] },
  {
    method: "post",
    path: "/v2/runs/{run}/groups",
    summary: "Submits a group or a list; Idempotency-Key makes it repeatable",
    roles: ["env"],
    body: { oneOf: [ref("ScoredGroup"), list(ref("ScoredGroup"))] },
    arrow: true,
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/lease",
    summary: "Leases the next batch, waiting for it",
    roles: ["trainer"],
    body: ref("LeaseRequest"),
    answer: ref("LeasedBatch"),
    arrow: true,
    also: { 204: "No batch in that time" },
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/{id}/ack",
    summary: "The batch is taken for good",
    roles: ["trainer"],
    answer: object({ status: string }),
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/{id}/nack",
    summary: "Gives the batch back: it goes first again",
    roles: ["trainer"],
    answer: object({ status: string }),
  },
];

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

function described({ path, summary, roles, body, arrow, answer, also }: Operation): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  const content = (schema: Schema) => ({
    "application/json": { schema },
    ...(arrow && { [ARROW_TYPE]: { schema: { type: "string", format: "binary" } } }),
  });
  return {
    summary,
    ...(roles && { security: [{}, { bearer: [] }], description: `Roles: ${[...roles, "admin"].join(", ")}.` }),
    ...(names.length > 0 && {
      parameters: names.map((name) => ({ name, in: "path", required: true, schema: string })),
    }),
    ...(body && { requestBody: { required: true, content: content(body) } }),
    responses: {
      200: { description: "OK", ...(answer && { content: content(answer) }) },
      ...Object.fromEntries(Object.entries(also ?? {}).map(([status, text]) => [status, { description: text }])),
      default: { description: "Refused", content: { "application/json": { schema: ref("Problem") } } },
    },
  };
}
