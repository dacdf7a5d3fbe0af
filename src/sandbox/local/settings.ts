/** Options of a local sandbox, checked and with defaults, and the configuration frame that they become. */
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { isAbsolute, normalize } from "node:path";
import { LachesisError } from "../../core/index.ts";
import type { SandboxLimits, SandboxOptions } from "../contract.ts";

export const DEFAULT_LIMITS: SandboxLimits = { memory_mb: 2048, pids: 512, disk_mb: 1024 };
/** Output of a command that is kept when the caller names no limit, for stdout and stderr each. */
export const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const OPEN_FILES = 4096;

export interface LocalSettings {
  readonly rootfs: string | null;
  readonly limits: SandboxLimits;
  readonly workdir: string;
  readonly home: string;
  /** User and group id of commands, as seen inside. */
  readonly innerId: number;
  readonly readonlyPaths: readonly string[];
  readonly sockets: readonly (readonly [inside: string, host: string])[];
  readonly network: "none" | "user" | "host";
  /** Of every command, as KEY=value. */
  readonly env: Readonly<Record<string, string>>;
  readonly label: string | null;
}

/** As many as the helper takes of each. */
const LIST_MAX = 128;

export function localSettings(options: SandboxOptions): LocalSettings {
  for (const [name, count] of [
    ["readonly_paths", options.readonly_paths?.length ?? 0],
    ["sockets", Object.keys(options.sockets ?? {}).length],
  ] as const) {
    if (count > LIST_MAX)
      throw new LachesisError("config_invalid", `${name} has ${count} entries; ${LIST_MAX} can be.`);
  }
  const rootfs = rootfsOf(options.image);
  const home = rootfs ? "/root" : "/home/agent";
  const user = rootfs ? "root" : "agent";
  return {
    rootfs,
    limits: limitsOf(options.limits),
    workdir: insidePath(options.workdir ?? "/workspace", "workdir"),
    home,
    innerId: rootfs ? 0 : 1000,
    readonlyPaths: (options.readonly_paths ?? []).map((path) => hostPath(path, "readonly_paths")),
    sockets: Object.entries(options.sockets ?? {}).map(([inside, host]) => [
      socketPath(inside),
      hostPath(host, "sockets"),
    ]),
    network: options.allow_network === "host" ? "host" : options.allow_network ? "user" : "none",
    env: {
      PATH,
      HOME: home,
      USER: user,
      LOGNAME: user,
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      ...checkedEnv(options.env),
    },
    label: options.label ?? null,
  };
}

export interface ConfigExtras {
  lowers: readonly string[];
  resolver?: string;
}

/** The first frame's payload. */
export function configPayload(settings: LocalSettings, extras: ConfigExtras): Buffer {
  const mb = (value: number) => String(Math.floor(value * 1024 * 1024));
  const pairs: [string, string][] = [
    ["memory", mb(settings.limits.memory_mb)],
    // Files lie in memory: they can never be more than the memory limit.
    ["disk", mb(Math.min(settings.limits.disk_mb, settings.limits.memory_mb))],
    ["pids", String(settings.limits.pids)],
    ["files", String(OPEN_FILES)],
    ["view", settings.rootfs ? "rootfs" : "host"],
    ["uid", String(settings.innerId)],
    ["network", settings.network],
    ["home", settings.home],
    ["workdir", settings.workdir],
  ];
  if (settings.rootfs) pairs.push(["rootfs", settings.rootfs]);
  for (const path of extras.lowers) pairs.push(["lower", path]);
  for (const path of settings.readonlyPaths) pairs.push(["readonly", path]);
  for (const [inside] of settings.sockets) pairs.push(["socket", inside]);
  if (extras.resolver) pairs.push(["resolver", extras.resolver]);
  if (settings.network === "user") for (const network of refusedNetworks()) pairs.push(["block", network]);
  return Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(""));
}

/** The configuration of a helper that only writes a snapshot's layer. */
export function layerPayload(settings: LocalSettings, directory: string): Buffer {
  return Buffer.from(
    [`view=layer`, `uid=${settings.innerId}`, `layer=${directory}`].map((text) => `${text}\0`).join(""),
  );
}

/** Private, link-local and the host's own addresses; the user-mode network's own 10.0.2.0/24 is more specific than 10/8. */
export function refusedNetworks(): string[] {
  const fixed = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
  ];
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !address.address.includes("%"))
    .map((address) => `${address.address}/${address.family === "IPv4" ? 32 : 128}`);
  return [...fixed, ...new Set(own)];
}

function rootfsOf(image: string | null | undefined): string | null {
  if (image === null || image === undefined || image === "") return null;
  if (!image.startsWith("rootfs:")) {
    throw new LachesisError(
      "unsupported",
      `The local sandbox has images of the form rootfs:DIRECTORY, not ${JSON.stringify(image)}.`,
    );
  }
  const path = hostPath(image.slice("rootfs:".length), "image");
  if (!existsSync(path)) throw new LachesisError("not_found", `The root file system ${path} does not exist.`);
  return path;
}

function limitsOf(given: Partial<SandboxLimits> | undefined): SandboxLimits {
  const limits = {
    ...DEFAULT_LIMITS,
    ...Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined)),
  };
  const least: SandboxLimits = { memory_mb: 16, pids: 1, disk_mb: 1 };
  for (const name of ["memory_mb", "pids", "disk_mb"] as const) {
    const value = limits[name];
    if (!Number.isFinite(value) || value < least[name] || value > 2 ** 24) {
      throw new LachesisError(
        "config_invalid",
        `The sandbox limit ${name} is ${value}; it must be a number from ${least[name]} on.`,
      );
    }
  }
  return { ...limits, pids: Math.min(Math.floor(limits.pids), 1_000_000) };
}

function insidePath(path: string, what: string): string {
  if (!isAbsolute(path) || path.includes("\0") || path.length > 1024) {
    throw new LachesisError("config_invalid", `${what} is ${JSON.stringify(path)}; it must be an absolute path.`);
  }
  const clean = normalize(path);
  return clean.length > 1 ? clean.replace(/\/+$/, "") : clean;
}

function hostPath(path: string, what: string): string {
  const clean = insidePath(path, what);
  if (!existsSync(clean)) throw new LachesisError("not_found", `${what}: ${clean} does not exist on the host.`);
  return clean;
}

function socketPath(path: string): string {
  const clean = insidePath(path, "sockets");
  if (Buffer.byteLength(clean) > 100)
    throw new LachesisError("config_invalid", `sockets: ${clean} is longer than a socket's path may be (100 bytes).`);
  return clean;
}

export function checkedEnv(env: Record<string, string> | undefined): Record<string, string> {
  for (const [name, value] of Object.entries(env ?? {})) {
    if (name === "" || /[=\0]/.test(name) || typeof value !== "string" || value.includes("\0")) {
      throw new LachesisError(
        "config_invalid",
        `The environment variable ${JSON.stringify(name)} has a name or value that no process can have.`,
      );
    }
  }
  return env ?? {};
}
