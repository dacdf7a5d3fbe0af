/** Protocol v2: several runs, idempotent submits, leases and acknowledgements. */
import { once } from "node:events";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { RunRegistration } from "../contract.ts";
import { nackBatch } from "../state/batches.ts";
import { disconnectEnv, registerEnv, registerTrainer, seenEnv } from "../state/membership.ts";
import { describeRun, envStatus } from "../state/status.ts";
import { readGroup, writeGroup } from "../wire/group.ts";
import { integer, objectOf, optional, required, text } from "../wire/readers.ts";
import { type ApiContext, allow } from "./context.ts";
import { acknowledge, arriving, joinedArray, newTrainerId, submitGroups, waitForBatch } from "./exchange.ts";
import { jsonBody } from "./json-body.ts";
import { envRegistration, idempotencyOf, read, registrationFields, withoutNull } from "./v1-routes.ts";

const MAX_WAIT_MS = 60_000;
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
  const { store, clock } = context;
  const now = () => clock.date().getTime();
  const anyone = { preHandler: allow(context, "env", "trainer") };
  const trainers = { preHandler: allow(context, "trainer") };
  const envs = { preHandler: allow(context, "env") };
  const path = (rest: string) => `/v2/runs/:run${rest}`;

  app.get("/v2/runs", anyone, async () => {
    const names = await store.runs();
    return { runs: await Promise.all(names.map((name) => store.read(name, describeRun))) };
  });

  app.post(path(""), trainers, async (request: FastifyRequest) => {
    const body = read(runRegistration, jsonBody(request)) as RunRegistration;
    const trainer = newTrainerId();
    return store.update(param(request, "run"), (state) => {
      registerTrainer(state, body, trainer);
      return { ...describeRun(state), trainer };
    });
  });

  app.get(path(""), anyone, async (request: FastifyRequest) => store.read(await existing(request), describeRun));

  app.delete(path(""), { preHandler: allow(context) }, async (request: FastifyRequest) => {
    await store.deleteRun(await existing(request));
    return { status: "deleted" };
  });

  app.post(path("/envs"), envs, async (request: FastifyRequest) => {
    const body = read(envRegistration, jsonBody(request));
    const registered = await store.update(await existing(request), (state) =>
      registerEnv(state, withoutNull(body), now()),
    );
    return registered ?? { status: "wait for trainer to start" };
  });

  app.get(path("/envs/:id"), envs, async (request: FastifyRequest) =>
    store.update(await existing(request), (state) => {
      const status = envStatus(state, Number(param(request, "id")));
      seenEnv(state, Number(param(request, "id")), now());
      return status;
    }),
  );

  // Waits until the run has changed since a revision: environments need not poll.
  app.get(path("/envs/:id/watch"), envs, async (request: FastifyRequest) => {
    const { since, wait_ms } = read(watchQuery, request.query);
    const run = await existing(request);
    const env = Number(param(request, "id"));
    const revision = await context.revisions.after(run, since, Math.min(wait_ms ?? 0, MAX_WAIT_MS));
    const status = await store.update(run, (state) => {
      const found = envStatus(state, env);
      seenEnv(state, env, now());
      return found;
    });
    return { ...status, revision };
  });

  app.delete(path("/envs/:id"), envs, async (request: FastifyRequest) => {
    await store.update(await existing(request), (state) => disconnectEnv(state, Number(param(request, "id"))));
    return { status: "success" };
  });

  app.post(path("/groups"), envs, async (request: FastifyRequest) => {
    const body = jsonBody(request);
    const groups = Array.isArray(body)
      ? body.map((value, index) => readGroup(value, ["body", index]))
      : [readGroup(body)];
    const arrived = groups.map((group) => arriving(group, Buffer.from(writeGroup(group))));
    const results = await submitGroups(context, await existing(request), arrived, idempotencyOf(request));
    context.count("groups_received", results.length);
    return { groups: results };
  });

  app.post(path("/batches/lease"), trainers, async (request: FastifyRequest, reply) => {
    const { trainer, max_wait_ms, lease_ms } = read(leaseRequest, jsonBody(request));
    const gone = new AbortController();
    once(request.raw.socket, "close", { signal: gone.signal }).then(
      () => gone.abort(),
      () => {},
    );
    const run = await existing(request);
    const leased = await waitForBatch(context, run, {
      trainer,
      leaseMs: lease_ms ?? DEFAULT_LEASE_MS,
      maxWaitMs: Math.min(max_wait_ms ?? 0, MAX_WAIT_MS),
      signal: gone.signal,
    });
    if (leased && gone.signal.aborted) {
      // Nobody is there to take it: the next one gets it.
      await store.update(run, (state) => nackBatch(state, leased.lease.id));
    }
    gone.abort();
    if (!leased) return reply.code(204).send();
    context.count("batches_handed_out");
    const { id, step, until } = leased.lease;
    const head = JSON.stringify({ batch_id: id, step, lease_expires_at: new Date(until).toISOString() });
    return reply
      .type("application/json")
      .send(
        Buffer.concat([Buffer.from(`${head.slice(0, -1)},"groups":`), joinedArray(leased.payloads), Buffer.from("}")]),
      );
  });

  app.post(path("/batches/:id/ack"), trainers, async (request: FastifyRequest) => ({
    status: await acknowledge(context, await existing(request), param(request, "id")),
  }));

  app.post(path("/batches/:id/nack"), trainers, async (request: FastifyRequest) => ({
    status: await store.update(await existing(request), (state) => nackBatch(state, param(request, "id"))),
  }));

  /** The run's name; throws `not_found` where nobody created it. */
  async function existing(request: FastifyRequest): Promise<string> {
    const run = param(request, "run");
    await store.read(run, (state) => state.requireRegistered());
    return run;
  }
}

function param(request: FastifyRequest, name: "run" | "id"): string {
  return (request.params as Record<string, string>)[name]!;
}
