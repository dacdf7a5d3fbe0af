/**
 * Chooses a backend. Isolation is never given up in silence: plain processes come only after everything else failed,
 * with a warning on standard error, and never when `require_sandbox` is set.
 */
import { LachesisError, nearestName } from "../core/index.ts";
import type { Sandbox, SandboxLimits, SandboxOptions } from "./contract.ts";

/** The names that `backend` may have. */
export const SANDBOX_BACKENDS = ["local", "plain"] as const;

const OPTIONS = {
  backend: true,
  allow_network: true,
  env: true,
  limits: true,
  require_sandbox: true,
  image: true,
  workdir: true,
  readonly_paths: true,
  sockets: true,
  label: true,
  signal: true,
} satisfies Record<keyof SandboxOptions, true>;
const LIMITS = { memory_mb: true, pids: true, disk_mb: true } satisfies Record<keyof SandboxLimits, true>;

/**
 * Makes a sandbox. `backend: "local"` (the default) isolates with Linux namespaces; where the kernel refuses them the
 * sandbox is a plain process directory, after a warning. Throws `sandbox_unavailable` instead when `require_sandbox` is
 * true, `sandbox_create` when this one could not be made, `config_invalid`, `not_found`, `missing_dependency` or
 * `unsupported` for options that can't be met.
 * @example
 * const sandbox = await createSandbox({ limits: { memory_mb: 512 } });
 * const { stdout, exitCode } = await sandbox.exec("echo hello > greeting; cat greeting", { timeoutMs: 5000 });
 * await sandbox.destroy();
 */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  checkNames("createSandbox", options, OPTIONS);
  checkNames("createSandbox: limits", options.limits ?? {}, LIMITS);
  const backend = options.backend ?? "local";
  if (backend === "plain") {
    if (options.require_sandbox) {
      throw new LachesisError(
        "sandbox_unavailable",
        "The backend plain isolates nothing, and require_sandbox is true.",
      );
    }
    return plain(options, "the backend plain was chosen");
  }
  if (backend !== "local") {
    throw new LachesisError(
      "config_invalid",
      `There is no sandbox backend ${JSON.stringify(backend)}; there are ${SANDBOX_BACKENDS.join(", ")}.`,
    );
  }
  if (options.allow_network === "host") warnHostNetwork();
  const { createLocalSandbox } = await import("./local/create.ts");
  try {
    return await createLocalSandbox(options);
  } catch (error) {
    if (!(error instanceof LachesisError) || (error.code !== "sandbox_create" && error.code !== "sandbox_unavailable"))
      throw error;
    const { probeLocal } = await import("./local/probe.ts");
    const probe = await probeLocal();
    if (probe.works) throw error; // this sandbox could not be made, others can
    if (options.require_sandbox) {
      throw new LachesisError(
        "sandbox_unavailable",
        `No isolated sandbox can be made here, and require_sandbox is true. ${probe.reason}`,
        { cause: error },
      );
    }
    if (options.image) {
      throw new LachesisError(
        "sandbox_unavailable",
        `No isolated sandbox can be made here, and plain processes have no images. ${probe.reason}`,
        { cause: error },
      );
    }
    return plain(options, probe.reason);
  }
}

/** A misspelt limit would otherwise be no limit. */
function checkNames(what: string, given: object, known: Record<string, true>): void {
  const names = Object.keys(known);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const nearest = nearestName(name, names);
    const hint = nearest ? ` Did you mean ${nearest}?` : "";
    throw new LachesisError(
      "config_invalid",
      `${what}: there is no option ${name}.${hint} There are ${names.join(", ")}.`,
    );
  }
}

async function plain(options: SandboxOptions, why: string): Promise<Sandbox> {
  const { createPlainSandbox } = await import("./plain/index.ts");
  const sandbox = await createPlainSandbox(options);
  warnPlain(why);
  return sandbox;
}

const warned = new Set<string>();

/** Goes to standard error, whatever the log level: it must not be overlooked. Once per process and text. */
function warn(lines: string[]): void {
  const text = lines.join("\n");
  if (warned.has(text)) return;
  warned.add(text);
  const bar = "!".repeat(78);
  process.stderr.write(`${bar}\n${lines.map((line) => `!! ${line}`).join("\n")}\n${bar}\n`);
}

function warnPlain(reason: string): void {
  warn([
    "NO ISOLATION: commands of the model run as plain processes of your user, with",
    "your files, your network and your rights.",
    `Why: ${reason}`,
    "Set require_sandbox: true to refuse this; `lachesis doctor` says what to change.",
  ]);
}

function warnHostNetwork(): void {
  warn([
    'HOST NETWORK: sandboxes share the host\'s network (allow_network: "host"). Their',
    "commands reach services on 127.0.0.1 and abstract sockets of this machine.",
  ]);
}
