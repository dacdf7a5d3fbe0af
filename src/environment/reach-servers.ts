/**
 * Before the first rollout: does anything listen where the inference servers are said to be? Only connections are opened,
 * nothing is asked, so it costs nothing and says nothing about a server that is slow. A wrong address is a clear error
 * within seconds instead of many failed rollouts; a server that is just starting is waited for.
 */
import { connect } from "node:net";
import { LachesisError, logger, redacted, systemClock } from "../core/index.ts";
import { baseUrlOf } from "../inference/api-keys.ts";
import type { ServerConfig } from "../inference/index.ts";
import type { RunControl } from "./run-control.ts";

const PATIENCE_MS = 10_000;
const PAUSE_MS = 250;
const CONNECT_MS = 3_000;
/** Nothing will listen there by waiting. */
const HOPELESS = new Set(["ENOTFOUND"]);
const REFUSED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", ...HOPELESS]);

/** Settles when one server can be connected to, or when that cannot be told. Throws `connection`. */
export async function reachServers(servers: readonly ServerConfig[], control: RunControl): Promise<void> {
  if (servers.some((server) => server.server_type === "embedded" || !server.health_check) || usesProxy()) return;
  const urls = servers.map((server) => URL.parse(baseUrlOf(server)));
  const deadline = systemClock.now() + PATIENCE_MS;
  for (let said = false; !control.stopped; said = true) {
    const codes = await Promise.all(urls.map((url) => (url ? refusalOf(url) : null)));
    if (codes.includes(null)) return;
    if (systemClock.now() > deadline || codes.every((code) => HOPELESS.has(code!))) {
      const list = urls.map((url, index) => `${redacted(url!.href)} (${codes[index]})`).join(", ");
      throw new LachesisError("connection", `No inference server can be reached: ${list}. Is openai.base_url right?`);
    }
    if (!said) logger.warn({ servers: codes }, "no inference server listens yet; waiting a few seconds");
    await systemClock.sleep(PAUSE_MS);
  }
}

/** Why a connection was refused; null where there is one, or no answer at all. */
function refusalOf(url: URL): Promise<string | null> {
  if (url.protocol !== "http:" && url.protocol !== "https:") return Promise.resolve(null);
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (code: string | null) => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(CONNECT_MS, () => settle(null));
    socket.once("connect", () => settle(null));
    socket.once("error", (error: NodeJS.ErrnoException) => settle(refusedBy(error)));
  });
}

/** Where a name has several addresses, each of them has an error of its own. */
function refusedBy(error: NodeJS.ErrnoException): string | null {
  const errors = error instanceof AggregateError ? (error.errors as NodeJS.ErrnoException[]) : [error];
  const code = errors.find((one) => REFUSED.has(one.code ?? ""))?.code;
  return code ?? null;
}

function usesProxy(): boolean {
  return ["http_proxy", "https_proxy", "all_proxy"].some(
    (name) => process.env[name] || process.env[name.toUpperCase()],
  );
}
