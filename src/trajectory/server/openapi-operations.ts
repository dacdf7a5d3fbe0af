/** Every route of the API with its roles, bodies, answers and refusals. A test holds it to the routes. */
import { integer, list, object, orNull, ref, type Schema, string } from "./openapi-schemas.ts";

const ANYONE = ["env", "trainer"];

export const LEASED = ref("LeasedBatch");

export interface Operation {
  method: "get" | "post" | "delete";
  path: string;
  summary: string;
  /** Who may call it beside admins; null: everybody. */
  roles: readonly string[] | null;
  body?: Schema;
  arrow?: boolean;
  answer?: Schema;
  /** Of the answer, where it is not JSON. */
  type?: "text/html" | "text/plain";
  /** Answers beside 200 that are no errors. */
  also?: Record<number, string>;
  /** Errors of its own, beside those of its kind. */
  errors?: readonly Refusal[];
  /** Optional texts. */
  headers?: readonly string[];
  /** Optional integers. */
  query?: readonly string[];
}

/** What is said of a refusal, by its status. */
export const REFUSALS = {
  400: "The body cannot be received: its compression or its framing is wrong",
  401: "A token is needed",
  403: "The token has another role",
  404: "There is no such run, environment or batch",
  409: "The Idempotency-Key was used for another body, or the lease has passed to someone else",
  413: "The body is larger than --max-body-bytes",
  415: "The Content-Encoding is neither gzip nor zstd",
  422: "Something in it is wrong: `detail` lists what and where",
  503: "The queue is full, or too much is on its way: send again after Retry-After seconds",
} as const;
export type Refusal = keyof typeof REFUSALS;

export const OPERATIONS: readonly Operation[] = [
  { method: "get", path: "/", summary: "Names the protocol", roles: null },
  { method: "get", path: "/healthz", summary: "The process answers", roles: null },
  { method: "get", path: "/readyz", summary: "The store answers", roles: null },
  { method: "get", path: "/docs", summary: "This document as a page", roles: null, type: "text/html" },
  {
    method: "get",
    path: "/live",
    summary: "Runs, queues, environments and trainers as a page",
    roles: null,
    type: "text/html",
  },
  { method: "get", path: "/openapi.json", summary: "This document", roles: null },
  { method: "get", path: "/metrics", summary: "Prometheus metrics", roles: ANYONE, type: "text/plain" },
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
    answer: ref("EnvRegistered"),
  },
  {
    method: "post",
    path: "/disconnect-env",
    summary: "v1: an environment leaves",
    roles: ["env"],
    body: ref("EnvIdentifier"),
    answer: object({ status: { enum: ["success", "failure"] } }, { error: string }),
  },
  {
    method: "get",
    path: "/wandb_info",
    summary: "v1: where the trainer logs",
    roles: ANYONE,
    answer: object({ group: orNull(string), project: orNull(string) }),
  },
  {
    method: "get",
    path: "/info",
    summary: "v1: batch size and sequence length",
    roles: ANYONE,
    answer: object({ batch_size: integer, max_token_len: integer }),
  },
  {
    method: "get",
    path: "/batch",
    summary: "v1: the next batch, or null",
    roles: ["trainer"],
    answer: object({ batch: orNull(list(ref("ScoredGroup"))) }),
  },
  {
    method: "post",
    path: "/scored_data",
    summary: "v1: submits a group",
    roles: ["env"],
    body: ref("ScoredGroup"),
    answer: object({ status: { enum: ["received", "buffered"] } }, { buffer_size: integer }),
    headers: ["Idempotency-Key"],
    errors: [409],
  },
  {
    method: "post",
    path: "/scored_data_list",
    summary: "v1: submits groups",
    roles: ["env"],
    body: list(ref("ScoredGroup")),
    answer: object({ status: string, groups_processed: integer }, { buffered: integer, last_buffer_size: integer }),
    headers: ["Idempotency-Key"],
    errors: [409],
  },
  {
    method: "get",
    path: "/status",
    summary: "v1: step and queue",
    roles: ANYONE,
    answer: object({ current_step: integer, queue_size: integer }),
  },
  {
    method: "get",
    path: "/status-env",
    summary: "v1: status for an environment; env_id in a JSON body or the query",
    roles: ["env"],
    body: ref("EnvIdentifier"),
    answer: ref("EnvStatus"),
    query: ["env_id"],
    errors: [404],
  },
  { method: "get", path: "/latest_example", summary: "v1: the last group that entered the queue", roles: ANYONE },
  { method: "get", path: "/reset_data", summary: "v1: forgets the run", roles: [], type: "text/plain" },
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
    answer: ref("EnvRegistered"),
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
    query: ["since", "wait_ms"],
  },
  { method: "delete", path: "/v2/runs/{run}/envs/{id}", summary: "An environment leaves", roles: ["env"] },
  {
    method: "post",
    path: "/v2/runs/{run}/groups",
    summary: "Submits a group or a list; Idempotency-Key makes it repeatable",
    roles: ["env"],
    body: { oneOf: [ref("ScoredGroup"), list(ref("ScoredGroup"))] },
    arrow: true,
    answer: ref("Submitted"),
    headers: ["Idempotency-Key"],
    errors: [409],
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/lease",
    summary: "Leases the next batch, waiting for it",
    roles: ["trainer"],
    body: ref("LeaseRequest"),
    answer: LEASED,
    arrow: true,
    also: { 204: "No batch in that time" },
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/{id}/ack",
    summary: "The batch is taken for good",
    roles: ["trainer"],
    answer: object({ status: string }),
    errors: [409],
  },
  {
    method: "post",
    path: "/v2/runs/{run}/batches/{id}/nack",
    summary: "Gives the batch back: it goes first again",
    roles: ["trainer"],
    answer: object({ status: string }),
    errors: [409],
  },
];
