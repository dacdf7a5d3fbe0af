/**
 * The trajectory API as an HTTP server. Bodies stay bytes until a route reads them; every error becomes one of the
 * protocol's shapes here and nowhere else.
 */
import Fastify, { type FastifyInstance } from "fastify";
import { LachesisError, logger, toLachesisError } from "../../core/index.ts";
import { InvalidBody } from "../wire/problem-detail.ts";
import { BadBody, expandBody, tooLarge } from "./bodies.ts";
import type { ApiContext } from "./context.ts";
import { v1Routes } from "./v1-routes.ts";
import { v2Routes } from "./v2-routes.ts";

/** Connections are kept longer than clients' pools keep theirs, so that it is the client that closes. */
const KEEP_ALIVE_MS = 75_000;

export function buildApp(context: ApiContext): FastifyInstance {
  const app = Fastify({
    bodyLimit: context.maxBodyBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
  });
  // The archived protocol sends a JSON body with GET /status-env.
  app.addHttpMethod("GET", { hasBody: true, overrideExisting: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "*",
    { parseAs: "buffer" },
    async (request: { headers: Record<string, unknown> }, body: Buffer | string) => {
      const encoding = request.headers["content-encoding"];
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      return expandBody(bytes, typeof encoding === "string" ? encoding : undefined, context.maxBodyBytes);
    },
  );

  app.setErrorHandler((error: Error & { statusCode?: number; code?: string }, _, reply) => {
    if (error instanceof InvalidBody) return reply.code(422).send({ detail: error.detail });
    const bad = error.code === "FST_ERR_CTP_BODY_TOO_LARGE" ? tooLarge(context.maxBodyBytes) : error;
    if (bad instanceof BadBody) {
      return bad.plain
        ? reply.code(bad.status).type("text/plain").send(bad.message)
        : reply.code(bad.status).send({ detail: bad.message });
    }
    if (!(error instanceof LachesisError) && error.statusCode !== undefined && error.statusCode < 500) {
      return reply.code(error.statusCode).send({ detail: error.message });
    }
    const known = toLachesisError(error);
    const status = STATUS[known.code] ?? 500;
    if (status === 503) reply.header("retry-after", Math.ceil(Number(known.details.retryAfterMs ?? 1000) / 1000));
    if (status === 500) logger.error({ err: error }, "The trajectory API failed.");
    return reply.code(status).send({ detail: known.message, code: known.code });
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = ["GET", "POST", "DELETE"].filter((method) =>
      app.hasRoute({ method, url: request.url.split("?")[0]! }),
    );
    if (methods.length > 0)
      return reply.code(405).header("allow", methods.join(", ")).send({ detail: "Method Not Allowed" });
    return reply.code(404).send({ detail: "Not Found" });
  });

  app.get("/healthz", async () => ({ status: "ok", service: "lachesis", default_run: context.defaultRun }));
  app.get("/readyz", async () => {
    await context.store.runs();
    return { status: "ready", store: context.store.name };
  });
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
