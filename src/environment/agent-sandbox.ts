/** The sandbox of a rollout, as the fields of the `env` section ask for it. */
import { createSandbox, type Sandbox, type SandboxLimits } from "../sandbox/index.ts";
import type { AgentEnvConfig } from "./fields.ts";
import { destroyedWhenIdle } from "./idle-sandbox.ts";

/** The image's default names a container image; the local backend then shows the host's /usr. */
const DEFAULT_IMAGE = "atropos-sandbox:local";

export async function makeSandbox(
  config: AgentEnvConfig,
  label: string,
  signal: AbortSignal,
  sockets: Record<string, string> = {},
): Promise<Sandbox> {
  const limits: Partial<SandboxLimits> = {
    ...(config.sandbox_memory_mb !== null && { memory_mb: config.sandbox_memory_mb }),
    ...(config.sandbox_pids !== null && { pids: config.sandbox_pids }),
    ...(config.sandbox_disk_mb !== null && { disk_mb: config.sandbox_disk_mb }),
  };
  const sandbox = await createSandbox({
    backend: config.terminal_backend,
    allow_network: config.allow_network,
    require_sandbox: config.require_sandbox,
    image: config.terminal_backend === "local" && config.sandbox_image === DEFAULT_IMAGE ? null : config.sandbox_image,
    limits,
    sockets,
    label,
    signal,
  });
  return destroyedWhenIdle(sandbox, config.terminal_lifetime);
}
