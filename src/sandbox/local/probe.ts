/** Tries the local backend for real and puts the kernel's refusals into plain words. */
import { readFileSync } from "node:fs";
import { errorMessage, isErrno } from "../../core/index.ts";
import type { Sandbox } from "../contract.ts";
import type { SandboxCheck, SandboxProbe } from "../probe.ts";
import { createLocalSandbox } from "./create.ts";
import { helperProgram } from "./helper.ts";
import { networkProgram } from "./network.ts";

export async function probeLocal(): Promise<SandboxProbe> {
  const checks: SandboxCheck[] = [];
  const program = helperProgram();
  if (program.path === null) {
    checks.push({ name: "helper", ok: false, detail: program.reason });
    return { works: false, reason: program.reason, checks };
  }
  checks.push({ name: "helper", ok: true, detail: `${program.origin}: ${[program.path, ...program.args].join(" ")}` });
  const { failure, overlay } = await trySandbox();
  const reason = failure === null ? "An isolated sandbox was made and ran a command." : explain(failure);
  checks.push({ name: "namespaces", ok: failure === null, detail: reason });
  if (failure === null) {
    checks.push({
      name: "root file system",
      ok: overlay === null,
      detail:
        overlay === null
          ? "snapshots and images of the form rootfs:DIRECTORY can be used"
          : `Snapshots and images of the form rootfs:DIRECTORY cannot be used: ${explain(overlay)} They need overlay mounts in user namespaces (Linux 5.11 or newer, the module overlay).`,
    });
  }
  checks.push(networkCheck());
  return { works: failure === null, reason, checks };
}

/** Why a sandbox could not be made and used, and why a snapshot of it could not: an overlay, as images have. null where all went well. */
async function trySandbox(): Promise<{ failure: string | null; overlay: string | null }> {
  try {
    const sandbox = await createLocalSandbox({ label: "probe", limits: { memory_mb: 64, disk_mb: 8 } });
    try {
      const failure = await tryCommand(sandbox);
      return { failure, overlay: failure ?? (await tryFork(sandbox)) };
    } finally {
      await sandbox.destroy();
    }
  } catch (error) {
    return { failure: errorMessage(error), overlay: null };
  }
}

async function tryCommand(sandbox: Sandbox): Promise<string | null> {
  const { exitCode, stdout } = await sandbox.exec(["/bin/echo", "ready"], { timeoutMs: 10_000 });
  return exitCode === 0 && stdout === "ready\n" ? null : `A command in the sandbox ended with ${exitCode}.`;
}

async function tryFork(sandbox: Sandbox): Promise<string | null> {
  try {
    const snapshot = await sandbox.snapshot();
    try {
      const fork = await snapshot.fork();
      try {
        return await tryCommand(fork);
      } finally {
        await fork.destroy();
      }
    } finally {
      await snapshot.release();
    }
  } catch (error) {
    return errorMessage(error);
  }
}

function networkCheck(): SandboxCheck {
  try {
    return { name: "network", ok: true, detail: `allow_network uses ${networkProgram()}` };
  } catch (error) {
    return { name: "network", ok: false, detail: errorMessage(error) };
  }
}

function setting(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (isErrno(error)) return null;
    throw error;
  }
}

/** The usual reasons why namespaces are refused. */
function explain(failure: string): string {
  const hints: string[] = [];
  if (setting("/proc/sys/user/max_user_namespaces") === "0") {
    hints.push("User namespaces are switched off: set user.max_user_namespaces to 10000 with sysctl.");
  }
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0" && process.getuid?.() !== 0) {
    hints.push("User namespaces are for root only here: set kernel.unprivileged_userns_clone to 1 with sysctl.");
  }
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1" && process.getuid?.() !== 0) {
    hints.push(
      "AppArmor restricts user namespaces: set kernel.apparmor_restrict_unprivileged_userns to 0 with sysctl, or give the helper a profile that allows userns.",
    );
  }
  if (hints.length === 0 && /make a proc|mount a proc/.test(failure)) {
    hints.push(
      "The /proc of this container is masked, so no new one may be mounted: start the container with --security-opt systempaths=unconfined.",
    );
  }
  if (hints.length === 0 && /namespaces|uid_map/.test(failure)) {
    hints.push(
      "The kernel or a container's seccomp profile refuses user namespaces: start the container with --security-opt seccomp=unconfined, or run outside of it.",
    );
  }
  if (hints.length === 0 && /Function not implemented/.test(failure))
    hints.push("The kernel is too old: Linux 5.14 or newer is needed.");
  return [failure, ...hints].join(" ");
}
