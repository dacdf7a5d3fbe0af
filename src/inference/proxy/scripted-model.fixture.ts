/** A token server whose words a test decides and whose tokens are those of the embedded model's tokenizer. */
import { fileURLToPath } from "node:url";
import { noUsage } from "../../core/index.ts";
import { loadTokenizer, type Tokenizer } from "../../tokens/index.ts";
import type { TokenRequest, TokenServer } from "../contract.ts";
import { type CreateSession, type OpenedSession, type ProxyOptions, type SessionProxy, startProxy } from "./index.ts";

export interface ScriptedModel {
  server: TokenServer;
  tokenizer: Tokenizer;
  requests: TokenRequest[];
  /** What the next calls answer, in turn; the last one stays. May wait. */
  answers: ((prompt: string, request: TokenRequest) => string | Promise<string>)[];
}

let loaded: Promise<Tokenizer> | null = null;

export async function scriptedModel(...texts: string[]): Promise<ScriptedModel> {
  loaded ??= loadTokenizer(fileURLToPath(new URL("../../../models/tiny", import.meta.url)));
  const tokenizer = await loaded;
  const requests: TokenRequest[] = [];
  const answers: ScriptedModel["answers"] = texts.map((text) => () => text);
  const server: TokenServer = {
    async generate(request) {
      requests.push(request);
      const say = answers.length > 1 ? answers.shift()! : answers[0]!;
      const text = await say(tokenizer.decode(request.prompt_token_ids, { skipSpecialTokens: false }), request);
      request.signal?.throwIfAborted();
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      const stopped = (request.stop ?? []).some((stop) => text.includes(stop));
      const whole = stopped ? ids : [...ids, tokenizer.eosTokenId!];
      const tokens = whole.slice(0, request.max_tokens);
      const finish_reason = tokens.length < whole.length ? "length" : "stop";
      const logprobs = tokens.map((_, at) => -(at + 1) / 64);
      const prompt_tokens = request.prompt_token_ids.length;
      const n = request.n ?? 1;
      const completions = Array.from({ length: n }, () => ({ tokens, logprobs, finish_reason, weight_version: 1 }));
      const completion_tokens = tokens.length * n;
      const usage = { ...noUsage(), prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
      return { completions, usage, latencyMs: 1, attempts: 1, server: 0 };
    },
    promptLogprobs: () => Promise.reject(new Error("not asked")),
  };
  return { server, tokenizer, requests, answers };
}

export interface Client extends OpenedSession {
  /** Posts below the session's address, with its key unless told otherwise. */
  post(path: string, body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  /** The parsed answer of a request that must succeed. */
  ask(path: string, body: unknown, headers?: Record<string, string>): Promise<Record<string, unknown>>;
}

export async function clientOf(proxy: SessionProxy, options: CreateSession = {}): Promise<Client> {
  const opened = await proxy.createSession(options);
  const post: Client["post"] = (path, body, headers = {}, signal) =>
    fetch(`${opened.base_url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${opened.api_key}`, ...headers },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  return {
    ...opened,
    post,
    async ask(path, body, headers) {
      const response = await post(path, body, headers);
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status}: ${text}`);
      return JSON.parse(text);
    },
  };
}

export function proxyOf(model: ScriptedModel, options: Partial<ProxyOptions> = {}): Promise<SessionProxy> {
  return startProxy({ server: model.server, tokenizer: model.tokenizer, model: "scripted", ...options });
}

/** The events of a server-sent stream. */
export function eventsOf(text: string): { event: string | null; data: string }[] {
  return text
    .split("\n\n")
    .map((block) => block.split("\n"))
    .filter((lines) => lines.some((line) => line.startsWith("data: ")))
    .map((lines) => ({
      event: lines.find((line) => line.startsWith("event: "))?.slice(7) ?? null,
      data: lines.find((line) => line.startsWith("data: "))!.slice(6),
    }));
}
