/** Gives new weights to the inference servers through `POST /load`, and hears which version they became. */
import { setTimeout as sleep } from "node:timers/promises";
import { LachesisError } from "lachesis/core";

const TRIES = 30;
const RETRY_MS = 1_000;

/**
 * All servers load the folder, one after the other, so that they count alike.
 * @returns The highest version; null without servers.
 * @throws LachesisError `weights_invalid` where a server refuses the folder, `connection` where it stays away.
 */
export async function swapWeights(
  servers: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<number | null> {
  let version: number | null = null;
  for (const server of servers) version = Math.max(version ?? 0, await load(server, folder, signal));
  return version;
}

async function load(server: string, folder: string, signal: AbortSignal): Promise<number> {
  // Addresses are often given as clients of chat want them.
  const url = `${server.replace(/\/+$/, "").replace(/\/v1$/, "")}/load`;
  for (let tries = 1; ; tries++) {
    let trouble: unknown;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ path: folder }),
        signal,
      });
      const text = await response.text();
      if (response.ok) return (JSON.parse(text) as { weight_version: number }).weight_version;
      if (response.status < 500) {
        throw new LachesisError(
          "weights_invalid",
          `${url} refused ${folder}: ${response.status} ${text.slice(0, 500)}`,
        );
      }
      trouble = `${response.status} ${text.slice(0, 200)}`;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LachesisError) throw error;
      trouble = error;
    }
    if (tries === TRIES) {
      throw new LachesisError("connection", `${url} does not answer: ${String(trouble)}`, { cause: trouble });
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}
