/** The shapes of bodies and answers as JSON Schema, for the OpenAPI document. */

export type Schema = Record<string, unknown>;

export const integer: Schema = { type: "integer" };
export const number: Schema = { type: "number" };
export const string: Schema = { type: "string" };
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const list = (items: Schema): Schema => ({ type: "array", items });
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] });
export const object = (required: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema => ({
  type: "object",
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

export const SCHEMAS: Record<string, Schema> = {
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
    {
      max_staleness: orNull({ ...integer, minimum: 0 }),
      max_queue_groups: orNull({ ...integer, minimum: 1 }),
      max_queue_bytes: orNull({ ...integer, minimum: 1 }),
    },
  ),
  EnvRegistration: object(
    { max_token_length: integer, desired_name: string, weight: number, group_size: { ...integer, minimum: 1 } },
    { min_batch_allocation: orNull(number), token: orNull(string) },
  ),
  EnvRegistered: object(
    { status: { enum: ["success", "wait for trainer to start"] } },
    {
      env_id: integer,
      wandb_name: string,
      checkpoint_dir: string,
      starting_step: integer,
      checkpoint_interval: integer,
      num_steps: integer,
      token: string,
    },
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
  LeaseRequest: object(
    { trainer: string },
    { max_wait_ms: orNull({ ...integer, minimum: 0 }), lease_ms: orNull({ ...integer, minimum: 1 }) },
  ),
  Submitted: object({
    groups: list(
      object(
        { status: { enum: ["received", "buffered", "aside"] } },
        { buffer_size: integer, reason: { enum: ["larger_than_batch", "stale"] } },
      ),
    ),
  }),
  LeasedBatch: object({
    batch_id: string,
    step: integer,
    lease_expires_at: { ...string, format: "date-time" },
    groups: list(ref("ScoredGroup")),
  }),
  Problem: object({ detail: {} }, { code: string }),
};
