/**
 * Protocol v1 as trainers and environments of the archived server speak it. All calls act on one run. What is stored
 * stands in ../state; here are only paths, shapes and status codes.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isObject } from "../../core/index.ts";
import type { EnvRegistration, RunRegistration } from "../contract.ts";
import { disconnectEnv, registerEnv, registerTrainer, seenEnv } from "../state/membership.ts";
import { envStatus, runStatus } from "../state/status.ts";
import type { SubmitResult } from "../state/submits.ts";
import { readGroup, writeGroup } from "../wire/group.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { float, integer, objectOf, optional, type Reader, required, text } from "../wire/readers.ts";
import { type ApiContext, allow } from "./context.ts";
import { acknowledge, arriving, joinedArray, newTrainerId, submitGroups, waitForBatch } from "./exchange.ts";
import { jsonBody } from "./json-body.ts";

/** v1 knows no leases: a batch that is acknowledged with the next call stays the client's for so long. */
const V1_LEASE_MS = 24 * 60 * 60 * 1000;

export const registrationFields = {
  wandb_group: required(text),
  wandb_project: required(text),
  batch_size: required(integer({ least: 1 })),
  max_token_len: required(integer()),
  checkpoint_dir: required(text),
  save_checkpoint_interval: required(integer()),
  starting_step: required(integer()),
  num_steps: required(integer()),
};

const registration = objectOf(registrationFields);

export const envRegistration = objectOf({
  max_token_length: required(integer()),
  desired_name: required(text),
  weight: required(float),
  group_size: required(integer({ least: 1 })),
  min_batch_allocation: optional(float),
  token: optional(text),
});

const envId = objectOf({ env_id: required(integer({ least: 0 })) });

export function v1Routes(app: FastifyInstance, context: ApiContext): void {
  const { store, clock, defaultRun: run } = context;
  const now = () => clock.date().getTime();
  const anyone = { preHandler: allow(context, "env", "trainer") };
  const trainers = { preHandler: allow(context, "trainer") };
  const envs = { preHandler: allow(context, "env") };
  /** The batch that each v1 client holds, where calls acknowledge the one before. */
  const held = new Map<string, string>();

  app.get("/", async () => ({ message: "AtroposLib API" }));

  app.post("/register", trainers, async (request, reply) => {
    const body = read(registration, jsonBody(request)) as RunRegistration;
    const trainer = newTrainerId();
    await store.update(run, (state) => registerTrainer(state, body, trainer));
    return json(reply, `{"uuid":${trainer}}`);
  });

  app.post("/register-env", envs, async (request) => {
    const body = read(envRegistration, jsonBody(request));
    const registered = await store.update(run, (state) => registerEnv(state, withoutNull(body), now()));
    return registered ?? { status: "wait for trainer to start" };
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
    store.read(run, ({ run: { registration } }) => ({
      batch_size: registration?.batch_size ?? -1,
      max_token_len: registration?.max_token_len ?? -1,
    })),
  );

  app.get("/batch", trainers, async (request, reply) => {
    const registered = await store.read(run, (state) => state.run.registration !== null);
    if (!registered) {
      return { status: "error", message: "Trainer not registered. Call /register first.", batch: [] };
    }
    const client = `v1:${request.headers.authorization ?? request.ip}`;
    const before = held.get(client);
    if (before !== undefined) {
      held.delete(client);
      await acknowledge(context, run, before);
    }
    const leased = await waitForBatch(context, run, {
      trainer: client,
      leaseMs: V1_LEASE_MS,
      maxWaitMs: 0,
      signal: context.closing,
    });
    if (!leased) return { batch: null };
    if (context.ackPrevious) held.set(client, leased.lease.id);
    else await acknowledge(context, run, leased.lease.id);
    context.count("batches_handed_out");
    return json(reply, Buffer.concat([Buffer.from('{"batch":'), joinedArray(leased.payloads), Buffer.from("}")]));
  });

  app.post("/scored_data", envs, async (request) => {
    const group = readGroup(jsonBody(request));
    const arrived = arriving(group, Buffer.from(writeGroup(group)));
    const [result] = await submitGroups(context, run, [arrived], idempotencyOf(request));
    return result!.status === "buffered" ? result! : { status: "received" };
  });

  app.post("/scored_data_list", envs, async (request) => {
    const body = jsonBody(request);
    if (!Array.isArray(body)) {
      throw new InvalidBody([{ type: "list_type", loc: ["body"], msg: "Input should be a valid list", input: body }]);
    }
    const groups = body.map((value, index) => readGroup(value, ["body", index]));
    const arrived = groups.map((group) => arriving(group, Buffer.from(writeGroup(group))));
    return listAnswer(await submitGroups(context, run, arrived, idempotencyOf(request)));
  });

  app.get("/status", anyone, () => store.read(run, runStatus));

  app.get("/status-env", envs, async (request) => {
    const query = isObject(request.query) && "env_id" in request.query ? request.query : null;
    const { env_id } = read(envId, query ?? jsonBody(request));
    return store.update(run, (state) => {
      const status = envStatus(state, env_id);
      seenEnv(state, env_id, now());
      return status;
    });
  });

  app.get("/latest_example", anyone, async (_, reply) => {
    const latest = await store.read(run, (state) => state.run.latest);
    if (latest === null) {
      return { tokens: [], masks: [], scores: [], advantages: [], ref_logprobs: [], messages: [], images: [] };
    }
    const [payload] = await store.payloads(run, [latest]);
    return json(reply, Buffer.from(payload!));
  });

  app.get("/reset_data", { preHandler: allow(context) }, async (_, reply) => {
    held.clear();
    await store.deleteRun(run);
    return reply.type("text/plain; charset=utf-8").send("Reset successful");
  });
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
