/** What is there to be looked at: health, metrics, the OpenAPI document and two pages. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { type ApiContext, allow } from "./context.ts";
import { openApiDocument } from "./openapi.ts";
import { DOCS_PAGE, LIVE_PAGE, PAGE_POLICY } from "./pages.ts";

const DOCUMENT_VERSION = "2";

export function seenRoutes(app: FastifyInstance, context: ApiContext): void {
  const page = (reply: FastifyReply, html: string) =>
    reply.type("text/html; charset=utf-8").header("content-security-policy", PAGE_POLICY).send(html);
  app.get("/healthz", async () => ({ status: "ok", service: "lachesis", default_run: context.defaultRun }));
  app.get("/readyz", async () => {
    await context.store.runs();
    return { status: "ready" };
  });
  app.get("/openapi.json", async () => openApiDocument(DOCUMENT_VERSION));
  // The pages hold no data; what they ask for needs a token.
  app.get("/docs", async (_, reply) => page(reply, DOCS_PAGE));
  app.get("/live", async (_, reply) => page(reply, LIVE_PAGE));
  app.get("/metrics", { onRequest: allow(context, "env", "trainer") }, async (_, reply) =>
    reply.type(context.metrics.contentType).send(await context.metrics.text()),
  );
}
