/**
 * The trajectory API as an HTTP server. Bodies stay bytes until a route reads them; every error becomes one of the
 * protocol's shapes here and nowhere else.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { LachesisError, logger, toLachesisError } from "../../core/index.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { BadBody, receiveBody } from "./bodies.ts";
import { compressAnswers } from "./compression.ts";
import type { ApiContext } from "./context.ts";
import { methodsByPath } from "./known-routes.ts";
import { seenRoutes } from "./seen-routes.ts";
import { v1Routes } from "./v1-routes.ts";
import { v2Routes } from "./v2-routes.ts";

/** Connections are kept longer than clients' pools keep theirs, so that it is the client that closes. */
const KEEP_ALIVE_MS = 75_000;
/** A body that takes longer to arrive is given up. */
const BODY_MS = 15 * 60_000;

export function buildApp(context: ApiContext): FastifyInstance {
  const app = Fastify({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: BODY_MS,
    forceCloseConnections: "idle",
    // A HEAD request must not take a batch.
    exposeHeadRoutes: false,
    // The names of runs and batches are checked where they are used.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1_000 },
    // Paths that cannot be read never come to a route.
    frameworkErrors: (error, _request, reply: FastifyReply) =>
      reply.code(error.statusCode ?? 400).send({ detail: error.message }),
  });
  // The archived protocol sends a JSON body with GET /status-env.
  app.addHttpMethod("GET", { hasBody: true, overrideExisting: true });
  app.removeAllContentTypeParsers();
  const responses = new WeakMap<IncomingMessage, ServerResponse>();
  app.addContentTypeParser("*", (request: FastifyRequest, body: IncomingMessage) =>
    receiveBody(body, responses.get(request.raw)!, context),
  );
  app.addHook("onRequest", (request, reply, done) => {
    responses.set(request.raw, reply.raw);
    done();
  });
  app.addHook("onRequest", async (request, reply) => {
    // A page of another origin may send a plain GET to a server on this machine, and some GETs here change things.
    if (request.headers["sec-fetch-site"] === "cross-site")
      await reply.code(403).send({ detail: "Requests from pages of other origins are refused." });
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    context.metrics.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
  });
  compressAnswers(app);

  app.setErrorHandler((error: Error & { statusCode?: number; code?: string }, request, reply) => {
    // What is still on its way would be read as the next request.
    if (!request.raw.complete) reply.header("connection", "close");
    if (error instanceof InvalidBody) return reply.code(422).send({ detail: error.detail });
    // A text that is no media type is one that is not JSON.
    if (error.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
      return reply
        .code(422)
        .send({ detail: [{ type: "value_error", loc: ["header", "content-type"], msg: error.message }] });
    if (error instanceof BadBody) {
      return error.plain
        ? reply.code(error.status).type("text/plain; charset=utf-8").send(error.message)
        : reply.code(error.status).send({ detail: error.message });
    }
    if (!(error instanceof LachesisError) && error.statusCode !== undefined && error.statusCode < 500) {
      return reply.code(error.statusCode).send({ detail: error.message });
    }
    const known = toLachesisError(error);
    const status = STATUS[known.code] ?? 500;
    if (status === 503) reply.header("retry-after", Math.ceil(Number(known.details.retryAfterMs ?? 1000) / 1000));
    if (status !== 500) return reply.code(status).send({ detail: known.message, code: known.code });
    logger.error({ err: error }, "The trajectory API failed.");
    return reply.code(500).send({ detail: "Internal Server Error", code: known.code });
  });
  const methodsOf = methodsByPath(app);
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url);
    return methods.length > 0
      ? reply.code(405).header("allow", methods.join(", ")).send({ detail: "Method Not Allowed" })
      : reply.code(404).send({ detail: "Not Found" });
  });
  seenRoutes(app, context);
  v1Routes(app, context);
  v2Routes(app, context);
  return app;
}

const STATUS: Partial<Record<LachesisError["code"], number>> = {
  not_found: 404,
  conflict: 409,
  api_rejected: 422,
  api_unavailable: 503,
  disk_full: 503,
};
