/**
 * Where the tools keep their own files inside a sandbox, and what `~` means there. Asked of the sandbox once per rollout;
 * the host's own home and temporary directory never play a part.
 */
import { LachesisError } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import type { ToolCallContext } from "./contract.ts";

export interface SandboxPlaces {
  /** Home directory of the sandbox's user. */
  home: string;
  /** State of the shell; outside the working directory. */
  shell: string;
  /** Results that were too long to show. */
  results: string;
}

/** The part of a rollout that keeps state. */
export type StateHolder = Pick<ToolCallContext, "state">;

/** The rollout's places; made known by one command in the sandbox, the first time. */
export async function sandboxPlaces(holder: StateHolder, sandbox: Sandbox): Promise<SandboxPlaces> {
  const cache = holder.state("places", () => ({ found: null as Promise<SandboxPlaces> | null }));
  cache.found ??= find(sandbox).catch((error: unknown) => {
    cache.found = null; // the next call asks again
    throw error;
  });
  return cache.found;
}

async function find(sandbox: Sandbox): Promise<SandboxPlaces> {
  const { stdout, exitCode } = await sandbox.exec(
    ["/bin/sh", "-c", 'printf "%s\\0%s" "${HOME:-/}" "${TMPDIR:-/tmp}"'],
    {
      timeoutMs: 30_000,
    },
  );
  const [home, tmp] = stdout.split("\0");
  if (exitCode !== 0 || !home || !tmp) throw new LachesisError("tool_failed", "The sandbox has no working /bin/sh.");
  const base = tmp.replace(/\/+$/, "");
  return { home, shell: `${base}/.lachesis-shell`, results: `${base}/lachesis-results` };
}
