/**
 * Protocol v1 as trainers and environments of the archived server speak it. All calls act on one run. What is stored
 * stands in ../state; here are only paths, shapes and status codes.
 */

import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isObject } from "../../core/index.ts";
import type { EnvRegistration, RunRegistration } from "../contract.ts";
import { markSent, nackBatch, settleV1Leases, v1Trainer } from "../state/batches.ts";
import { disconnectEnv, registerEnv, registerTrainer, resetRun } from "../state/membership.ts";
import { runStatus } from "../state/status.ts";
import type { SubmitResult } from "../state/submits.ts";
import { floatText } from "../wire/group.ts";
import { payloadJson } from "../wire/payload.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { float, integer, objectOf, optional, type Reader, required, text } from "../wire/readers.ts";
import { type ApiContext, allow } from "./context.ts";
import { whenOver } from "./delivery.ts";
import { acknowledge, joinedArray, newTrainerId, statusOfEnv, submitGroups, waitForBatch } from "./exchange.ts";
import { jsonBody } from "./json-body.ts";
import { readList, readOne } from "./submission.ts";

/** For so long an answer with a batch may be on its way. */
const SENDING_MS = 10 * 60 * 1000;
/** A batch that is acknowledged with the client's next call stays the client's for so long. */
const UNTIL_NEXT_CALL_MS = 24 * 60 * 60 * 1000;
const MAX_COUNT = 2 ** 63;

export const registrationFields = {
  wandb_group: required(text),
  wandb_project: required(text),
  batch_size: required(integer({ least: 1 })),
  max_token_len: required(integer({ most: MAX_COUNT })),
  checkpoint_dir: required(text),
  save_checkpoint_interval: required(integer({ most: MAX_COUNT })),
  starting_step: required(integer()),
  num_steps: required(integer({ most: MAX_COUNT })),
};

const registration = objectOf(registrationFields);

export const envRegistration = objectOf({
  max_token_length: required(integer({ most: MAX_COUNT })),
  desired_name: required(text),
  weight: required(float),
  group_size: required(integer({ least: 1 })),
  min_batch_allocation: optional(float),
  token: optional(text),
});

const envId = objectOf({ env_id: required(integer({ least: 0 })) });

export function v1Routes(app: FastifyInstance, context: ApiContext): void {
  const { store, defaultRun: run } = context;
  const anyone = { onRequest: allow(context, "env", "trainer") };
  const trainers = { onRequest: allow(context, "trainer") };
  const envs = { onRequest: allow(context, "env") };

  app.get("/", async () => ({ message: "AtroposLib API" }));

  app.post("/register", trainers, async (request, reply) => {
    const body = read(registration, jsonBody(request)) as RunRegistration;
    const trainer = newTrainerId();
    await store.update(run, (state) => registerTrainer(state, body, trainer));
    return json(reply, `{"uuid":${trainer}}`);
  });

  app.post("/register-env", envs, async (request) => {
    const sent = jsonBody(request);
    const body = read(envRegistration, sent);
    const registered = await store.update(run, (state, now) => registerEnv(state, withoutNull(body), now));
    if (!registered) return { status: "wait for trainer to start" };
    const { token, ...answer } = registered;
    // Only environments that know of tokens get one; to the others the answer is as it always was.
    return isObject(sent) && "token" in sent ? { ...answer, token } : answer;
  });

  app.post("/disconnect-env", envs, async (request) => {
    const { env_id } = read(envId, jsonBody(request));
    try {
      await store.update(run, (state) => disconnectEnv(state, env_id));
      return { status: "success" };
    } catch (error) {
      return { status: "failure", error: error instanceof Error ? error.message : String(error) };
    }
  });

  app.get("/wandb_info", anyone, () =>
    store.read(run, ({ run: { registration } }) => ({
      group: registration?.wandb_group ?? null,
      project: registration?.wandb_project ?? null,
    })),
  );

  app.get("/info", anyone, () =>
    store.read(run, ({ run: { registration, formerMaxTokenLen } }) => ({
      batch_size: registration?.batch_size ?? -1,
      max_token_len: registration?.max_token_len ?? formerMaxTokenLen ?? -1,
    })),
  );

  app.get("/batch", trainers, async (request, reply) => {
    const registered = await store.read(run, (state) => state.run.registration !== null);
    if (!registered) {
      return { status: "error", message: "Trainer not registered. Call /register first.", batch: [] };
    }
    const { ackPrevious } = context;
    const caller = { client: clientOf(request), process: context.process, alone: !store.shared, ackPrevious };
    const leased = await waitForBatch(context, run, {
      trainer: v1Trainer(caller),
      leaseMs: SENDING_MS,
      maxWaitMs: 0,
      signal: context.closing,
      first: (state, at) => settleV1Leases(state, caller, at),
    });
    if (!leased) return { batch: null };
    const { id } = leased.lease;
    whenOver(context, reply, {
      sent: () =>
        ackPrevious
          ? store.update(run, (state, now) => markSent(state, id, UNTIL_NEXT_CALL_MS, now))
          : acknowledge(context, run, id),
      lost: () => store.update(run, (state) => nackBatch(state, id)),
    });
    context.metrics.handedOut(run);
    const groups = joinedArray(leased.payloads.map(payloadJson));
    return json(reply, Buffer.concat([Buffer.from('{"batch":'), groups, Buffer.from("}")]));
  });

  app.post("/scored_data", envs, async (request) => {
    const [result] = await submitGroups(context, run, [readOne(request)], idempotencyOf(request));
    return result!.status === "buffered" ? result! : { status: "received" };
  });

  app.post("/scored_data_list", envs, async (request) =>
    listAnswer(await submitGroups(context, run, readList(request), idempotencyOf(request))),
  );

  app.get("/status", anyone, () => store.read(run, runStatus));

  app.get("/status-env", envs, async (request, reply) => {
    const query = isObject(request.query) && "env_id" in request.query ? request.query : null;
    const { env_id } = read(envId, query ?? jsonBody(request));
    const status = await statusOfEnv(context, run, env_id);
    const floats = `"unallocated_fraction":${floatText(status.unallocated_fraction)}`;
    const weight = `"env_weight":${floatText(status.env_weight)}`;
    const { current_step, queue_size, self_queue_size, max_group_size } = status;
    const whole = JSON.stringify({ current_step, queue_size, self_queue_size, max_group_size });
    return json(reply, `${whole.slice(0, -1)},${floats},${weight}}`);
  });

  app.get("/latest_example", anyone, async (_, reply) => {
    const latest = await store.read(run, (state) => state.run.latest);
    if (latest === null) {
      return Object.fromEntries(EXAMPLE_FIELDS.map((field) => [field, []]));
    }
    const [payload] = await store.payloads(run, [latest]);
    return json(reply, Buffer.from(payloadJson(payload!)));
  });

  app.get("/reset_data", { onRequest: allow(context) }, async (_, reply) => {
    await store.update(run, (state, now) => resetRun(state, now));
    return reply.type("text/plain; charset=utf-8").send("Reset successful");
  });
}

const EXAMPLE_FIELDS = [
  "tokens",
  "masks",
  "scores",
  "advantages",
  "ref_logprobs",
  "generation_params",
  "inference_logprobs",
  "messages",
  "images",
];
const MAX_KEY = 256;

/** Names a v1 client by what it always sends; a token must not stand in the store. */
function clientOf(request: FastifyRequest): string {
  const name = request.headers.authorization ?? request.ip;
  return createHash("sha256").update(name).digest("hex").slice(0, 16);
}

/** Throws `InvalidBody`. */
export function read<T>(reader: Reader<T>, value: unknown): T {
  const problems: ConstructorParameters<typeof InvalidBody>[0] = [];
  const result = reader(value, ["body"], problems);
  if (result === undefined || problems.length > 0) throw new InvalidBody(problems);
  return result;
}

export function idempotencyOf(request: FastifyRequest): { key: string; body: Uint8Array } | null {
  const key = request.headers["idempotency-key"];
  if (typeof key === "string" && key.length > MAX_KEY) {
    const msg = `An Idempotency-Key has at most ${MAX_KEY} characters`;
    throw new InvalidBody([{ type: "string_too_long", loc: ["header", "idempotency-key"], msg }]);
  }
  return typeof key === "string" && key !== "" ? { key, body: request.body as Buffer } : null;
}

export function listAnswer(results: readonly SubmitResult[]): Record<string, unknown> {
  const buffered = results.flatMap((result) => (result.status === "buffered" ? [result.buffer_size] : []));
  return {
    status: "received",
    groups_processed: results.length,
    ...(buffered.length > 0 && { buffered: buffered.length, last_buffer_size: buffered.at(-1) }),
  };
}

export function withoutNull(body: { token: string | null } & EnvRegistration): EnvRegistration & { token?: string } {
  const { token, ...rest } = body;
  return token === null ? rest : { ...rest, token };
}

function json(reply: FastifyReply, body: string | Buffer): FastifyReply {
  return reply.type("application/json").send(body);
}
