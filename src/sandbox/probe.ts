/** What `doctor` asks: whether isolated sandboxes work on this machine, and if not, why and what to do. */
export interface SandboxProbe {
  /** True when an isolated sandbox was made and ran a command. */
  works: boolean;
  /** In plain words: why not and what to do, or what was tried. */
  reason: string;
  checks: SandboxCheck[];
}

/** "root file system" (overlays, for snapshots and images) is looked at only where sandboxes work. */
export interface SandboxCheck {
  name: "helper" | "namespaces" | "root file system" | "network";
  ok: boolean;
  /** What it found; for a failure, what to do. */
  detail: string;
}

/**
 * Makes a sandbox, runs a command in it and removes it. Never throws.
 * @example const probe = await probeSandbox(); console.log(probe.works, probe.reason);
 */
export async function probeSandbox(): Promise<SandboxProbe> {
  const { probeLocal } = await import("./local/probe.ts");
  return probeLocal();
}
