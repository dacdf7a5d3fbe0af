/**
 * Who may do what. A session's routes take its own key and no other's: always where the proxy listens beyond loopback or
 * on a unix socket, and wherever a session key is shown. Making and listing sessions is for this machine, or for the
 * holder of the proxy's own key; never for unix sockets, whose callers are sandboxed programs.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import type { ProxySession } from "./proxy-session.ts";
import { refusal } from "./wire-errors.ts";

export interface AccessRules {
  /** Whether a session's key may be missing. */
  keysOptional: boolean;
  /** The proxy's own key; null where there is none. */
  adminKey: string | null;
  /** True for requests that came over a unix socket. */
  isSocket(request: FastifyRequest): boolean;
}

export class Access {
  readonly #rules: AccessRules;

  constructor(rules: AccessRules) {
    this.#rules = rules;
  }

  /** Throws 401 unless the request may use the session. */
  checkSession(request: FastifyRequest, session: ProxySession): void {
    const keys = keysOf(request);
    if (keys.some((key) => session.isKey(key) || this.#isAdmin(key))) return;
    const optional = this.#rules.keysOptional && !this.#rules.isSocket(request) && !isBrowser(request);
    if (optional && !keys.some((key) => key.startsWith("lsk-"))) return;
    throw refusal(
      401,
      "invalid_api_key",
      keys.length === 0
        ? "This session needs its api_key, as `Authorization: Bearer …` or `x-api-key`."
        : "The key is not that of this session.",
    );
  }

  /** Throws unless the request may make, list and change sessions. */
  checkAdmin(request: FastifyRequest): void {
    if (this.#rules.isSocket(request))
      throw refusal(404, "not_found", `There is no ${request.method} ${request.url} here.`);
    const keys = keysOf(request);
    if (keys.some((key) => this.#isAdmin(key))) return;
    if (this.#rules.adminKey === null && isLocal(request) && !isBrowser(request)) return;
    throw refusal(
      401,
      "invalid_api_key",
      "This needs the proxy's own key (LACHESIS_PROXY_KEY), or a caller on the same machine where none is set.",
    );
  }

  #isAdmin(key: string): boolean {
    const { adminKey } = this.#rules;
    return adminKey !== null && timingSafeEqual(digest(key), digest(adminKey));
  }
}

export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const address = host.replace(/^::ffff:/i, "");
  return isIP(address) === 4 ? address.startsWith("127.") : address === "::1";
}

function isLocal({ socket }: FastifyRequest): boolean {
  return isLoopback(socket.remoteAddress ?? "");
}

/** A page in a browser on this machine is no caller of this machine. */
function isBrowser({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
}

function keysOf({ headers }: FastifyRequest): string[] {
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1]?.trim();
  const apiKey = headers["x-api-key"];
  return [bearer, typeof apiKey === "string" ? apiKey : undefined].filter(
    (key) => key !== undefined && key !== "",
  ) as string[];
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
