/** Protocol v2: several runs, idempotent submits, leases and acknowledgements. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { LachesisError } from "../../core/index.ts";
import type { RunRegistration } from "../contract.ts";
import { nackBatch } from "../state/batches.ts";
import { disconnectEnv, registerEnv, registerTrainer } from "../state/membership.ts";
import { describeRun, listAside } from "../state/status.ts";
import { ARROW_TYPE, encodeArrow } from "../wire/arrow.ts";
import { payloadGroup, payloadJson } from "../wire/payload.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { integer, objectOf, optional, required, text } from "../wire/readers.ts";
import { qualityOf } from "./accepts.ts";
import { onceOver } from "./answer-end.ts";
import { type ApiContext, allow } from "./context.ts";
import { whenOver } from "./delivery.ts";
import { acknowledge, joinedArray, newTrainerId, statusOfEnv, submitGroups, waitForBatch } from "./exchange.ts";
import { jsonBody } from "./json-body.ts";
import { readAny } from "./submission.ts";
import { envRegistration, idempotencyOf, read, registrationFields, withoutNull } from "./v1-routes.ts";

const MAX_WAIT_MS = 60_000;
const MAX_LEASE_MS = 7 * 24 * 60 * 60_000;
const MOST_LISTED = 1_000;
/** Points alone would be taken out of the path by clients. */
const RUN_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;
const DEFAULT_LEASE_MS = 10 * 60_000;

const runRegistration = objectOf({
  ...registrationFields,
  max_staleness: optional(integer({ least: 0 })),
  max_queue_groups: optional(integer({ least: 1 })),
  max_queue_bytes: optional(integer({ least: 1, most: Number.MAX_SAFE_INTEGER })),
});

const leaseRequest = objectOf({
  trainer: required(text),
  max_wait_ms: optional(integer({ least: 0 })),
  lease_ms: optional(integer({ least: 1 })),
});

const watchQuery = objectOf({ since: optional(integer({ least: 0 })), wait_ms: optional(integer({ least: 0 })) });

export function v2Routes(app: FastifyInstance, context: ApiContext): void {
  const { store } = context;
  const anyone = { onRequest: allow(context, "env", "trainer") };
  const trainers = { onRequest: allow(context, "trainer") };
  const envs = { onRequest: allow(context, "env") };
  const path = (rest: string) => `/v2/runs/:run${rest}`;

  app.get("/v2/runs", anyone, async () => {
    const names = await store.runs();
    return { runs: await Promise.all(names.map((name) => store.read(name, describeRun))) };
  });

  app.post(path(""), trainers, async (request: FastifyRequest) => {
    const body = read(runRegistration, jsonBody(request)) as RunRegistration;
    const trainer = newTrainerId();
    const run = param(request, "run");
    if (!RUN_NAME.test(run)) {
      const msg = "A run's name has 1 to 128 letters, digits, points, dashes and underscores, and is not . or ..";
      throw new InvalidBody([{ type: "string_pattern_mismatch", loc: ["path", "run"], msg, input: run.slice(0, 200) }]);
    }
    return store.update(run, (state) => {
      registerTrainer(state, body, trainer);
      return { ...describeRun(state), trainer };
    });
  });

  app.get(path(""), anyone, async (request: FastifyRequest) => store.read(await existing(request), describeRun));

  app.delete(path(""), { onRequest: allow(context) }, async (request: FastifyRequest) => {
    await store.update(await existing(request), (state, now) => state.clear(now));
    return { status: "deleted" };
  });

  app.get(path("/aside"), anyone, async (request: FastifyRequest) => ({
    groups: await store.read(await existing(request), (state) => listAside(state, MOST_LISTED)),
  }));

  app.post(path("/envs"), envs, async (request: FastifyRequest) => {
    const body = read(envRegistration, jsonBody(request));
    const registered = await store.update(await existing(request), (state, now) =>
      registerEnv(state, withoutNull(body), now),
    );
    return registered ?? { status: "wait for trainer to start" };
  });

  app.get(path("/envs/:id"), envs, async (request: FastifyRequest) => {
    const run = await existing(request);
    return { ...(await statusOfEnv(context, run, Number(param(request, "id")))), ...(await trainerOf(run)) };
  });

  // Waits until the run has changed since a revision: environments need not poll.
  app.get(path("/envs/:id/watch"), envs, async (request: FastifyRequest) => {
    const { since, wait_ms } = read(watchQuery, request.query);
    const run = await existing(request);
    const env = Number(param(request, "id"));
    const revision = await context.revisions.after(run, since, Math.min(wait_ms ?? 0, MAX_WAIT_MS));
    return { ...(await statusOfEnv(context, run, env)), ...(await trainerOf(run)), revision };
  });

  app.delete(path("/envs/:id"), envs, async (request: FastifyRequest) => {
    await store.update(await existing(request), (state) => disconnectEnv(state, Number(param(request, "id"))));
    return { status: "success" };
  });

  app.post(path("/groups"), envs, async (request: FastifyRequest) => {
    const run = await existing(request);
    return { groups: await submitGroups(context, run, readAny(request), idempotencyOf(request)) };
  });

  app.post(path("/batches/lease"), trainers, async (request: FastifyRequest, reply) => {
    const run = await existing(request);
    const { trainer, max_wait_ms, lease_ms } = read(leaseRequest, jsonBody(request));
    if (trainer.startsWith("v1:")) {
      const msg = "Names that begin with v1: are taken";
      throw new InvalidBody([{ type: "value_error", loc: ["body", "trainer"], msg, input: trainer.slice(0, 200) }]);
    }
    const gone = new AbortController();
    onceOver(request.raw, reply.raw, () => gone.abort());
    const leased = await waitForBatch(context, run, {
      trainer,
      leaseMs: Math.min(lease_ms ?? DEFAULT_LEASE_MS, MAX_LEASE_MS),
      maxWaitMs: Math.min(max_wait_ms ?? 0, MAX_WAIT_MS),
      signal: gone.signal,
    });
    if (!leased) return reply.code(204).send();
    const { id, step, until } = leased.lease;
    const giveBack = () => store.update(run, (state) => nackBatch(state, id));
    if (gone.signal.aborted) {
      // Nobody is there to take it: the next one gets it.
      await giveBack();
      return reply.code(204).send();
    }
    whenOver(context, reply, { sent: async () => {}, lost: giveBack });
    context.metrics.handedOut(run);
    const head = { batch_id: id, step, lease_expires_at: new Date(until).toISOString() };
    if (wantsArrow(request.headers.accept)) {
      const stream = encodeArrow(leased.payloads.map(payloadGroup), { batch: JSON.stringify(head) });
      return reply.type(ARROW_TYPE).send(Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength));
    }
    const opening = Buffer.from(`${JSON.stringify(head).slice(0, -1)},"groups":`);
    const groups = joinedArray(leased.payloads.map(payloadJson));
    return reply.type("application/json").send(Buffer.concat([opening, groups, Buffer.from("}")]));
  });

  app.post(path("/batches/:id/ack"), trainers, async (request: FastifyRequest) => ({
    status: await acknowledge(context, await existing(request), param(request, "id")),
  }));

  app.post(path("/batches/:id/nack"), trainers, async (request: FastifyRequest) => ({
    status: await store.update(await existing(request), (state) => nackBatch(state, param(request, "id"))),
  }));

  /** Whether anybody takes batches: environments need not work for nobody. */
  function trainerOf(run: string): Promise<{ trainer_gone: boolean }> {
    return store.read(run, ({ run: { trainerSeen }, batches }, now) => {
      const isSilent = trainerSeen === undefined || now - trainerSeen > context.silenceMs;
      // Whoever holds a lease said how long the work on it may take; v1 calls hold theirs without a word.
      const isBusy = [...batches.values()].some(
        ({ lease }) => lease && lease.until > now && !lease.trainer.startsWith("v1:"),
      );
      return { trainer_gone: isSilent && !isBusy };
    });
  }

  /** The run's name; throws `not_found` where nobody created it. */
  async function existing(request: FastifyRequest): Promise<string> {
    const run = param(request, "run");
    if (!RUN_NAME.test(run)) throw new LachesisError("not_found", "There is no run of that name.");
    await store.read(run, (state) => state.requireRegistered());
    return run;
  }
}

function param(request: FastifyRequest, name: "run" | "id"): string {
  return (request.params as Record<string, string>)[name]!;
}

/** Who names it can read it, and wants it unless JSON is named before it. */
function wantsArrow(accept: string | undefined): boolean {
  const quality = qualityOf(accept, ARROW_TYPE);
  return quality > 0 && quality >= qualityOf(accept, "application/json");
}
