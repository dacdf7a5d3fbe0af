/**
 * A real HTTP server that speaks the OpenAI protocol and misbehaves as it is told: each request gets the reply that a
 * script gives for it. It records what it received, so that a test can say what must never be sent.
 */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as it arrived. */
export interface ReceivedRequest {
  /** 0-based, over all POST requests. */
  index: number;
  path: string;
  headers: IncomingHttpHeaders;
  /** The client's port: one connection has one. */
  port: number | undefined;
  /** The parsed body; its fields are what the client sent. */
  body: Record<string, unknown>;
}

export type Reply =
  /** A well-formed chat answer, whose parts can be replaced by anything. */
  | {
      kind: "chat";
      content?: unknown;
      tool_calls?: unknown;
      finish_reason?: unknown;
      message?: Record<string, unknown>;
      usage?: unknown;
      /** Choices; default as many as `n` asked for. */
      count?: number;
      delayMs?: number;
    }
  | { kind: "json"; body: unknown; status?: number; headers?: Record<string, string>; delayMs?: number }
  | { kind: "text"; body: string; status?: number; headers?: Record<string, string> }
  /** Never answers; with `afterHeaders` it begins and stops in the middle of the body. */
  | { kind: "stall"; afterHeaders?: boolean }
  /** Resets the connection before the answer, or in the middle of it. */
  | { kind: "cut"; inBody?: boolean }
  /** Server-sent events, one for each object, `[DONE]` at the end unless it is cut. */
  | { kind: "stream"; pieces: unknown[]; cut?: boolean };

export type Script = (request: ReceivedRequest) => Reply | Promise<Reply>;

export interface OpenAIServer {
  /** With `/v1`. */
  readonly baseUrl: string;
  readonly requests: ReceivedRequest[];
  /** GET requests, by path. */
  readonly probes: string[];
  readonly inFlight: number;
  readonly mostInFlight: number;
  /** What is answered from now on. */
  script: Script;
  /** Status of GET /health and /v1/models. */
  healthStatus: number;
  /** Cuts every connection and listens no longer. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
}

/** A plain answer. */
export const says = (content: unknown, more: Partial<Extract<Reply, { kind: "chat" }>> = {}): Reply => ({
  kind: "chat",
  content,
  ...more,
});

/** An answer that calls tools; `calls` are taken as they are, right or wrong. */
export const calls = (...toolCalls: unknown[]): Reply => ({
  kind: "chat",
  content: null,
  tool_calls: toolCalls,
  finish_reason: "tool_calls",
});

/** A well-formed tool call. */
export const call = (id: string, name: string, args: unknown): unknown => ({
  id,
  type: "function",
  function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
});

/** An error in the OpenAI form. */
export const refuses = (
  status: number,
  message: string,
  more: { code?: string | number; type?: string; headers?: Record<string, string> } = {},
): Reply => ({
  kind: "json",
  status,
  headers: more.headers ?? {},
  body: { error: { message, type: more.type ?? "error", code: more.code ?? null } },
});

/** Replies in the given order; the last one is repeated. */
export const inOrder = (...replies: Reply[]): Script => {
  let next = 0;
  return () => replies[Math.min(next++, replies.length - 1)]!;
};

/** The words in which servers say that a conversation is too long. */
export const CONTEXT_OVERFLOWS: Record<string, Reply> = {
  openai: refuses(
    400,
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    {
      code: "context_length_exceeded",
    },
  ),
  openai_responses: refuses(400, "Your input exceeds the context window of this model. Please adjust your input."),
  vllm: {
    kind: "json",
    status: 400,
    body: {
      object: "error",
      message:
        "This model's maximum context length is 4096 tokens. However, you requested 4600 tokens (4100 in the messages).",
      type: "BadRequestError",
      code: 400,
    },
  },
  vllm_prompt: refuses(400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
  vllm_negative: refuses(400, "max_tokens must be at least 1, got -17."),
  sglang: {
    kind: "json",
    status: 400,
    body: {
      object: "error",
      message: "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
      type: "BadRequestError",
      code: 400,
    },
  },
  sglang_total: refuses(400, "Requested token count exceeds the model's maximum context length of 32768 tokens."),
  anthropic: {
    kind: "json",
    status: 400,
    body: {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
    },
  },
  anthropic_output: refuses(400, "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000"),
  llamacpp: refuses(400, "the request exceeds the available context size. try increasing the context size", {
    code: 400,
    type: "exceed_context_size_error",
  }),
  gemini: refuses(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
  tgi: {
    kind: "json",
    status: 422,
    body: {
      error: "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 8000 and 1024",
      error_type: "validation",
    },
  },
  bedrock: { kind: "json", status: 400, body: { message: "Input is too long for requested model." } },
  xai: refuses(400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
  groq: refuses(413, "Please reduce the length of the messages or completion."),
  moonshot: refuses(400, "Invalid request: Your request exceeded model token limit: 131072"),
  ollama: refuses(500, "input length exceeds the context length"),
};

export async function startOpenAIServer(script: Script): Promise<OpenAIServer> {
  const sockets = new Set<Socket>();
  let http: Server;
  let port = 0;
  let inFlight = 0;
  let mostInFlight = 0;

  const server: OpenAIServer = {
    get baseUrl() {
      return `http://127.0.0.1:${port}/v1`;
    },
    requests: [],
    probes: [],
    get inFlight() {
      return inFlight;
    },
    get mostInFlight() {
      return mostInFlight;
    },
    script,
    healthStatus: 200,
    async start() {
      http = createServer((request, response) => {
        if (request.method !== "POST") {
          server.probes.push(request.url ?? "");
          response
            .writeHead(server.healthStatus, { "content-type": "application/json" })
            .end('{"object":"list","data":[]}');
          return;
        }
        inFlight++;
        mostInFlight = Math.max(mostInFlight, inFlight);
        response.on("close", () => {
          inFlight--;
        });
        const chunks: Buffer[] = [];
        request.on("error", () => response.destroy());
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", async () => {
          const received: ReceivedRequest = {
            index: server.requests.length,
            path: request.url ?? "",
            headers: request.headers,
            port: request.socket.remotePort,
            body: JSON.parse(Buffer.concat(chunks).toString() || "{}"),
          };
          server.requests.push(received);
          await reply(await server.script(received), received, response);
        });
      });
      http.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      });
      await new Promise<void>((resolve, reject) => {
        http.once("error", reject);
        http.listen(port, "127.0.0.1", resolve);
      });
      port = (http.address() as AddressInfo).port;
    },
    async stop() {
      const closed = new Promise((resolve) => http.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  await server.start();
  return server;
}

async function reply(what: Reply, request: ReceivedRequest, response: ServerResponse): Promise<void> {
  if ("delayMs" in what && what.delayMs) await new Promise((resolve) => setTimeout(resolve, what.delayMs));
  if (response.destroyed) return;
  switch (what.kind) {
    case "chat":
      sendJson(response, chatBody(what, request), 200, {});
      return;
    case "json":
      sendJson(response, what.body, what.status ?? 200, what.headers ?? {});
      return;
    case "text":
      response.writeHead(what.status ?? 200, { "content-type": "text/plain", ...what.headers }).end(what.body);
      return;
    case "stall":
      if (what.afterHeaders) beginBody(response);
      return;
    case "cut":
      if (!what.inBody) {
        response.socket?.resetAndDestroy();
        return;
      }
      beginBody(response);
      setTimeout(() => response.socket?.destroy(), 20);
      return;
    case "stream":
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of what.pieces) response.write(`data: ${JSON.stringify(piece)}\n\n`);
      if (!what.cut) response.write("data: [DONE]\n\n");
      response.end();
      return;
  }
}

function beginBody(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"id":"x","choices":[{"index":0,"message":{"role":"assistant","con');
}

function sendJson(response: ServerResponse, body: unknown, status: number, headers: Record<string, string>): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
}

function chatBody(what: Extract<Reply, { kind: "chat" }>, request: ReceivedRequest): unknown {
  const asked = typeof request.body.n === "number" ? request.body.n : 1;
  const choices = Array.from({ length: what.count ?? asked }, (_, index) => ({
    index,
    message: {
      role: "assistant",
      content: what.content ?? null,
      ...(what.tool_calls === undefined ? {} : { tool_calls: what.tool_calls }),
      ...what.message,
    },
    text: what.content ?? "",
    finish_reason: what.finish_reason === undefined ? "stop" : what.finish_reason,
  }));
  return {
    id: `chatcmpl-${request.index}`,
    object: "chat.completion",
    model: request.body.model ?? "test",
    choices,
    usage: what.usage ?? { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}
