/**
 * The embedded model over HTTP: the OpenAI routes, both `/generate` dialects, and `/load`, which takes other weights
 * between requests. Every answer says which version of the weights gave it; a client that goes away stops its work.
 */
import { resolve } from "node:path";
import fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import type { EmbeddedServer } from "../embedded-server.ts";
import { type Body, objectBody, refuse } from "./body.ts";
import { chatCompletions } from "./chat-completions.ts";
import { completions } from "./completions.ts";
import { errorAnswer } from "./error-answers.ts";
import { sglangGenerate } from "./sglang-generate.ts";
import { vllmGenerate } from "./vllm-generate.ts";

const MAX_BODY_BYTES = 16 * 1024 * 1024;

/**
 * The routes around a model; the caller listens and closes.
 * @example
 * const http = embeddedHttp(await EmbeddedServer.open());
 * const url = await http.listen({ host: "127.0.0.1", port: 9001 });
 */
export function embeddedHttp(server: EmbeddedServer): FastifyInstance {
  const app = fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = errorAnswer(error);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `There is no ${request.method} ${request.url} here.`;
    return reply.code(404).send({ error: { message, type: "invalid_request_error", code: "not_found" } });
  });

  app.get("/health", () => ({ status: "ok", model: server.name, weight_version: server.weightVersion }));
  app.get("/v1/models", () => ({ object: "list", data: [modelEntry(server)] }));
  app.post("/load", async ({ body }) => {
    const { path } = objectBody(body);
    if (typeof path !== "string" || path === "") throw refuse("path", "a model folder or a .safetensors file");
    const weight_version = await server.load(resolve(path));
    return { status: "ok", path: resolve(path), weight_version };
  });
  app.post("/v1/chat/completions", ({ body }, reply) =>
    chatCompletions(server, objectBody(body), reply, untilGone(reply)),
  );
  app.post("/v1/completions", ({ body }, reply) => completions(server, objectBody(body), reply, untilGone(reply)));
  app.post("/generate", ({ body }, reply) => generate(server, objectBody(body), untilGone(reply)));
  return app;
}

/** The two dialects share a path; the name of the prompt's field tells them apart. */
async function generate(server: EmbeddedServer, body: Body, signal: AbortSignal): Promise<Body | Body[]> {
  if (body.stream) throw refuse("stream", "false (the /v1 routes stream)");
  if (body.prompt != null) return vllmGenerate(server, body, signal);
  if (body.input_ids != null || body.text != null) return sglangGenerate(server, body, signal);
  throw refuse("prompt, input_ids, text", "one of them");
}

function modelEntry(server: EmbeddedServer): Body {
  const { contextLength, parameters } = server.model.facts;
  return {
    id: server.name,
    object: "model",
    created: 0,
    owned_by: "lachesis",
    max_model_len: contextLength,
    parameters,
    root: server.model.folder,
    weight_version: server.weightVersion,
  };
}

/** Aborts when the client goes away before its answer is complete. */
function untilGone(reply: FastifyReply): AbortSignal {
  const abort = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) abort.abort();
  });
  return abort.signal;
}
