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
  /** Names of the variables in the environment of every command. */
  exported: string[];
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
  const { stdout, exitCode } = await sandbox.exec(["bash", "-c", ASK], { timeoutMs: 30_000 });
  const [home, tmp, ...exported] = stdout.split("\0");
  if (exitCode !== 0 || !home || !tmp) {
    throw new LachesisError("tool_failed", "The sandbox has no working bash; the tools need one.");
  }
  const base = tmp.replace(/\/+$/, "");
  return {
    home,
    shell: `${base}/.lachesis-shell`,
    results: `${base}/lachesis-results`,
    exported: exported.filter((name) => /^[A-Za-z_]\w*$/.test(name) && !OF_THE_SHELL.has(name)),
  };
}

const ASK = `d=$TMPDIR; d=\${d:-/tmp}; mkdir -p "\${d%/}/.lachesis-shell"; printf '%s\\0' "\${HOME:-/}" "$d" $(compgen -e)`;
/** Variables that the shell sets by itself. */
const OF_THE_SHELL: ReadonlySet<string> = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);
