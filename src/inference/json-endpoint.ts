/**
 * JSON over HTTP with one inference server: address, key and headers, and the reading of answers. A call either gives a
 * JSON object or throws one of our errors; the key is sent to this server's host only.
 */
import { isObject, LachesisError, redact, redacted } from "../core/index.ts";
import { apiKeyOf, baseUrlOf, keyVariableFor } from "./api-keys.ts";
import type { Attempt, ClientServices } from "./client.ts";
import { HttpConnections } from "./http-connections.ts";
import { refusal } from "./http-errors.ts";
import { exchange, type HttpAnswer } from "./http-request.ts";
import type { ServerConfig } from "./server-config.ts";
import { assembleStream } from "./stream-assembly.ts";

export class JsonEndpoint {
  readonly url: URL;
  /** For messages: the address without anything secret. */
  readonly name: string;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;
  readonly #connections: HttpConnections;
  readonly #headers: Record<string, string>;

  constructor(config: ServerConfig, services: ClientServices) {
    const base = baseUrlOf(config, services.env);
    if (!/^https?:\/\//i.test(base) || !URL.canParse(base)) {
      throw new LachesisError("config_invalid", `openai.base_url: "${redacted(base)}" is no http or https address.`);
    }
    this.url = new URL(base);
    this.name = `${this.url.origin}${this.url.pathname}`;
    this.#config = config;
    this.#services = services;
    this.#connections = new HttpConnections(this.url.origin, services.env);
    const key = apiKeyOf(config, services.env);
    for (const value of Object.values(config.extra_headers)) redact(value);
    this.#headers = {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": "lachesis",
      ...authorization(key, this.url),
      ...config.extra_headers,
    };
  }

  /** Path below base_url. */
  post(path: string, body: unknown, attempt: Attempt): Promise<Record<string, unknown>> {
    return this.#call("POST", joined(this.url.pathname, path), JSON.stringify(body), attempt);
  }

  /** Path below base_url without its `/v1`. */
  postAtRoot(path: string, body: unknown, attempt: Attempt): Promise<Record<string, unknown>> {
    return this.#call("POST", joined(this.#root(), path), JSON.stringify(body), attempt);
  }

  /**
   * A free call that throws where the server does not live. Nearly every answer is a sign of life, a refused key or an
   * unknown route included; `dead` are the statuses that are not.
   */
  async checkAlive(path: string, at: "base" | "root", dead: readonly number[], attempt: Attempt): Promise<void> {
    const full = joined(at === "base" ? this.url.pathname : this.#root(), path);
    const { status } = await this.#exchange("GET", full, undefined, attempt);
    if (!dead.includes(status)) return;
    throw new LachesisError("server_error", `${this.url.origin}${full} answered ${status}.`, { details: { status } });
  }

  /**
   * Whether a route exists, asked with an empty body that generates nothing: one that exists complains of it in its own
   * way. Throws where the answer says nothing of the route: a refused key, a server that is busy or behind a gateway.
   */
  async hasRoute(path: string, at: "base" | "root", attempt: Attempt): Promise<boolean> {
    const full = joined(at === "base" ? this.url.pathname : this.#root(), path);
    const answer = await this.#exchange("POST", full, "{}", attempt);
    const saysNothing = [401, 403, 429].includes(answer.status) || answer.status > 500;
    if (saysNothing) throw refusal(answer, this.#facts(`${this.url.origin}${full}`), this.#services.clock.date());
    return answer.status !== 404 && answer.status !== 405;
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  #root(): string {
    return this.url.pathname.replace(/\/v1\/?$/, "");
  }

  async #call(method: "POST", path: string, body: string, attempt: Attempt): Promise<Record<string, unknown>> {
    const answer = await this.#exchange(method, path, body, attempt);
    const url = `${this.url.origin}${path}`;
    const refused = () => refusal(answer, this.#facts(url), this.#services.clock.date());
    if (answer.status < 200 || answer.status >= 300) throw refused();
    const parsed = isEventStream(answer) ? assembleStream(answer.body, url) : parseObject(answer.body, url);
    // Routers report a failure of the model behind them with status 200.
    if (isObject(parsed.error) && parsed.choices === undefined) {
      throw refusal({ ...answer, body: JSON.stringify(parsed) }, this.#facts(url), this.#services.clock.date());
    }
    return parsed;
  }

  #facts(url: string) {
    return { url, model: this.#config.model_name, keyVariable: keyVariableFor(this.url.href) };
  }

  #exchange(method: "GET" | "POST", path: string, body: string | undefined, attempt: Attempt): Promise<HttpAnswer> {
    return exchange(this.#connections, {
      method,
      path: path + this.url.search,
      headers: this.#headers,
      url: `${this.url.origin}${path}`,
      timeoutMs: attempt.timeoutMs,
      ...(body === undefined ? {} : { body }),
      ...(attempt.signal === undefined ? {} : { signal: attempt.signal }),
    });
  }
}

/** The key, else the user and password that stand in the address. */
function authorization(key: string, url: URL): Record<string, string> {
  const password = decodeURIComponent(url.password);
  redact(password);
  if (key !== "") return { authorization: `Bearer ${key}` };
  if (url.username === "" && password === "") return {};
  const pair = Buffer.from(`${decodeURIComponent(url.username)}:${password}`).toString("base64");
  redact(pair);
  return { authorization: `Basic ${pair}` };
}

function joined(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`;
}

function isEventStream(answer: HttpAnswer): boolean {
  return String(answer.headers["content-type"] ?? "").startsWith("text/event-stream");
}

function parseObject(text: string, url: string): Record<string, unknown> {
  let value: unknown;
  try {
    // A byte order mark before the JSON is no part of it.
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (error) {
    throw new LachesisError("malformed_response", `${url}: the answer is no JSON (${text.length} characters).`, {
      cause: error,
    });
  }
  // SGLang answers a request for several completions with a bare list.
  if (Array.isArray(value)) return { list: value };
  if (!isObject(value)) throw new LachesisError("malformed_response", `${url}: the answer is no JSON object.`);
  return value;
}
