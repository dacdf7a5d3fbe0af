/** Tries the local backend for real and puts the kernel's refusals into plain words. */
import { readFileSync } from "node:fs";
import { errorMessage, isErrno } from "../../core/index.ts";
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
  const failure = await trySandbox();
  const reason = failure === null ? "An isolated sandbox was made and ran a command." : explain(failure);
  checks.push({ name: "namespaces", ok: failure === null, detail: reason });
  checks.push(networkCheck());
  return { works: failure === null, reason, checks };
}

async function trySandbox(): Promise<string | null> {
  try {
    const sandbox = await createLocalSandbox({ label: "probe", limits: { memory_mb: 64, disk_mb: 8 } });
    try {
      const { exitCode, stdout } = await sandbox.exec(["/bin/echo", "ready"], { timeoutMs: 10_000 });
      return exitCode === 0 && stdout === "ready\n" ? null : `A command in the sandbox ended with ${exitCode}.`;
    } finally {
      await sandbox.destroy();
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
