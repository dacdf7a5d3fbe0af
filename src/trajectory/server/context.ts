/** What the routes of the trajectory API share: the store, bounds, and who may call what. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../core/index.ts";
import type { QueueBounds } from "../state/submits.ts";
import type { Store } from "../stores/store.ts";
import { mayUse, type Role, type Tokens } from "./auth.ts";
import type { BodyBudget } from "./bodies.ts";
import type { ApiMetrics } from "./metrics.ts";
import type { Revisions } from "./revisions.ts";

export interface ApiContext {
  store: Store;
  clock: Clock;
  tokens: Tokens;
  bounds: QueueBounds;
  /** Of one body, expanded. */
  maxBytes: number;
  /** Of all bodies at once. */
  budget: BodyBudget;
  /** The run that v1 calls act on. */
  defaultRun: string;
  /** v1: a call for a batch acknowledges the client's batch before it instead of its own. */
  ackPrevious: boolean;
  /** Milliseconds without a sign of life after which an env counts as disconnected. */
  silenceMs: number;
  /** Names this process among those that share a store. */
  process: string;
  metrics: ApiMetrics;
  /** What answers left to be done; the server's end waits for it. */
  tasks: Set<Promise<unknown>>;
  revisions: Revisions;
  /** Aborted when the server is asked to end: long polls answer at once. */
  closing: AbortSignal;
}

/** A hook that lets the roles in; 401 without a token, 403 with one of another role. */
export function allow(context: ApiContext, ...roles: Role[]) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (context.tokens.empty) return;
    const role = context.tokens.roleOf(request.headers.authorization);
    if (role === null) {
      await reply
        .code(401)
        .header("www-authenticate", "Bearer")
        .send({ detail: "This server needs a token: send Authorization: Bearer TOKEN." });
    } else if (!mayUse(role, roles)) {
      await reply
        .code(403)
        .send({ detail: `A token of role ${roles.join(" or ") || "admin"} is needed; this one has role ${role}.` });
    }
  };
}
