/**
 * The routes of the session proxy. `sessions` are reached by their uuid in three dialects; the rest makes, lists and ends
 * them. What goes wrong is said in the form of the route's dialect.
 */
import type { Socket } from "node:net";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { isObject } from "../../core/index.ts";
import { type Body, objectBody } from "../embedded/http/body.ts";
import type { ServerConfigInput } from "../server-config.ts";
import type { Access } from "./access.ts";
import type { ServerFacts } from "./backends.ts";
import { chatDialect } from "./chat-dialect.ts";
import type { Dialect } from "./dialect.ts";
import { sendEvents } from "./event-stream.ts";
import { conversation, messagesDialect } from "./messages-dialect.ts";
import type { ProxySession } from "./proxy-session.ts";
import { responsesDialect } from "./responses-dialect.ts";
import { type SessionRequest, sessionRequest } from "./session-request.ts";
import { anthropicError, openaiError, refusal, wireProblem } from "./wire-errors.ts";

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** What the routes act upon. */
export interface ProxyState {
  readonly sessions: ReadonlyMap<string, ProxySession>;
  readonly access: Access;
  readonly model: string;
  create(request: SessionRequest): Promise<ProxySession>;
  end(session: ProxySession): Promise<void>;
  servers(): ServerFacts[];
  setup(servers: readonly ServerConfigInput[]): Promise<void>;
  /** Where clients reach the session, for the request's own host. */
  addressOf(session: ProxySession, request: FastifyRequest): string;
  /** Milliseconds between the pings of a slow stream. */
  pingMs?: number;
}

type WithId = { Params: { uuid: string } };

export function proxyApp(state: ProxyState): FastifyInstance {
  const app = fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true });
  app.setErrorHandler((error, request, reply) => {
    const problem = wireProblem(error);
    if (!problem.retry) void reply.header("x-should-retry", "false");
    const form = /\/v1\/messages(\/|\?|$)/.test(request.url) ? anthropicError : openaiError;
    return reply.code(problem.status).send(form(problem));
  });
  app.setNotFoundHandler((request) => {
    throw refusal(404, "not_found", `There is no ${request.method} ${request.url.split("?")[0]} here.`);
  });
  admin(app, state);
  forSession(app, state);
  return app;
}

function admin(app: FastifyInstance, state: ProxyState): void {
  app.get("/health", () => ({ status: "ok", model_name: state.model }));
  const onlyAdmin = { onRequest: async (request: FastifyRequest) => state.access.checkAdmin(request) };
  app.get("/v1/models", onlyAdmin, () => models(state.model));
  app.get("/servers", onlyAdmin, () => ({ servers: state.servers() }));
  app.get("/sessions", onlyAdmin, (request) => {
    const sessions = [...state.sessions.values()];
    return {
      sessions: sessions.map((session) => ({ ...session.facts(), base_url: state.addressOf(session, request) })),
    };
  });
  app.post("/sessions/create", onlyAdmin, async (request) => {
    const session = await state.create(sessionRequest(objectBody(request.body ?? {})));
    return { ...session.facts(), base_url: state.addressOf(session, request), api_key: session.apiKey };
  });
  app.post("/setup", onlyAdmin, async ({ body }) => {
    await state.setup(configsOf(body));
    return { status: "ok", model_name: state.model, servers: state.servers() };
  });
}

function forSession(app: FastifyInstance, state: ProxyState): void {
  const found = (request: FastifyRequest<WithId>): ProxySession => {
    const session = state.sessions.get(request.params.uuid);
    if (!session) throw refusal(404, "session_not_found", `There is no session ${request.params.uuid}.`);
    state.access.checkSession(request, session);
    return session;
  };
  const dialect = (path: string, spoken: Dialect) =>
    app.post<WithId>(`/:uuid/v1/${path}`, (request, reply) =>
      answer(found(request), spoken, request, reply, state.pingMs),
    );
  dialect("chat/completions", chatDialect);
  dialect("responses", responsesDialect);
  dialect("messages", messagesDialect);
  app.post<WithId>("/:uuid/v1/chat/completions/render", (request) => {
    const session = found(request);
    const { messages, tools } = chatDialect.read(objectBody(request.body), session).request;
    return session.render({ messages, ...(tools && { tools }) });
  });
  app.post<WithId>("/:uuid/v1/messages/count_tokens", (request) => {
    const session = found(request);
    return { input_tokens: session.countTokens(conversation(objectBody(request.body), session.ids)) };
  });
  app.get<WithId>("/:uuid/v1/models", (request) => models(found(request).model));
  app.get<WithId>("/:uuid/nodes", (request) => ({ nodes: found(request).nodes() }));
  app.get<WithId>("/:uuid/sequences", (request) => found(request).sequences());
  app.delete<WithId>("/:uuid", async (request) => {
    const session = found(request);
    await state.end(session);
    return { status: "deleted", uuid: session.uuid };
  });
}

async function answer(
  session: ProxySession,
  dialect: Dialect,
  request: FastifyRequest,
  reply: FastifyReply,
  pingMs: number | undefined,
): Promise<Body | undefined> {
  const body = objectBody(request.body);
  const asked = dialect.read(body, session);
  const path = request.url.split("?")[0]!;
  const exchange = session.retries.enter(path, body, request.headers, () => session.call(asked.request));
  let answered = false;
  reply.raw.once("finish", () => {
    if (!answered) return;
    exchange.delivered(true);
    newestOn(request.raw.socket, () => exchange.delivered(false));
  });
  if (!asked.stream) {
    const value = await exchange.answer;
    answered = true;
    return dialect.whole(value, asked, session);
  }
  await sendEvents(
    reply,
    dialect,
    exchange.answer.then((value) => {
      answered = true;
      return value;
    }),
    (value) => dialect.events(value, asked, session),
    pingMs,
  );
  return undefined;
}

const newest = new WeakMap<Socket, () => void>();

/** Calls `lost` when the connection breaks before it carries another answer: the client was gone when this one was sent. */
function newestOn(socket: Socket, lost: () => void): void {
  if (!newest.has(socket)) {
    socket.once("close", (hadError) => {
      if (hadError) newest.get(socket)?.();
    });
  }
  newest.set(socket, lost);
}

function models(id: string): Body {
  return { object: "list", data: [{ id, object: "model", created: 0, owned_by: "lachesis" }] };
}

/** One server, a list, or either in a field `servers` or `openai`. */
function configsOf(body: unknown): ServerConfigInput[] {
  const inner = isObject(body) ? (body.servers ?? body.openai ?? body) : body;
  return (Array.isArray(inner) ? inner : [objectBody(inner)]) as ServerConfigInput[];
}
