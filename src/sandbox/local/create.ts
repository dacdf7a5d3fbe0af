/**
 * Makes local sandboxes: a gate on how many are made at once, owner files, the user-mode network, forks. Making one
 * either gives a sandbox that is ready or leaves nothing behind.
 */
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { LachesisError, Semaphore } from "../../core/index.ts";
import type { Sandbox, SandboxOptions } from "../contract.ts";
import { HelperConnection } from "./connection.ts";
import { helperProgram } from "./helper.ts";
import { type Layer, takeSnapshot } from "./layers.ts";
import { attachNetwork, networkProgram, RESOLVER } from "./network.ts";
import { makeOwned, reapOnce, removeTree } from "./owners.ts";
import { LocalSandbox } from "./sandbox.ts";
import { configPayload, type LocalSettings, localSettings } from "./settings.ts";
import { ForwardedSocket } from "./sockets.ts";

/** A path that the host does not answer for (a dead network file system) would be waited for without end. */
const READY_MS = 60_000;

/** More than the cores can do at once only makes each of them slower. */
const gate = new Semaphore(Math.max(2, availableParallelism()));

/**
 * Makes a sandbox in namespaces of its own. Throws `sandbox_unavailable` without a helper program, `sandbox_create`
 * when it could not be made, `config_invalid` or `not_found` for bad options.
 */
export async function createLocalSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  return make([], localSettings(options), options.signal);
}

async function make(
  layers: readonly Layer[],
  settings: LocalSettings,
  signal: AbortSignal | undefined,
): Promise<Sandbox> {
  const program = helperProgram();
  if (program.path === null) throw new LachesisError("sandbox_unavailable", program.reason);
  const network = settings.network === "user" ? networkProgram() : null;
  await reapOnce();
  const release = await gate.acquire(signal);
  const owned = makeOwned("sandbox", settings.label);
  for (const layer of layers) layer.retain();
  const onGone = async () => {
    await removeTree(owned);
    for (const layer of layers) await layer.release();
  };
  try {
    const lowers = layers.map((layer) => layer.directory);
    const connection = new HelperConnection(
      program,
      configPayload(settings, network ? { lowers, resolver: RESOLVER } : { lowers }),
    );
    connection.acceptor = (id, index) => {
      const socket = settings.sockets[index];
      if (!socket)
        throw new LachesisError("sandbox_protocol", `The sandbox helper named a socket ${index} that does not exist.`);
      return new ForwardedSocket(connection, id, socket[1]);
    };
    const onAbort = () =>
      connection.abandon(
        new LachesisError("cancelled", "Cancelled while the sandbox was made.", { cause: signal?.reason }),
      );
    signal?.addEventListener("abort", onAbort, { once: true });
    const late = setTimeout(
      () =>
        connection.abandon(
          new LachesisError("sandbox_create", `The sandbox was not ready after ${READY_MS / 1000} seconds.`),
        ),
      READY_MS,
    );
    const sandbox = new LocalSandbox({
      id: basename(owned),
      connection,
      settings,
      layers,
      onGone,
      snapshot: (origin) => takeSnapshot(origin, program, layerWriter, fork),
    });
    try {
      await connection.ready;
      if (network) await attachNetwork(network, connection);
      if (signal?.aborted)
        throw new LachesisError("cancelled", "Cancelled while the sandbox was made.", { cause: signal.reason });
    } catch (error) {
      await connection.close();
      await sandbox.closed;
      throw error;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", onAbort);
    }
    return sandbox;
  } finally {
    release();
  }
}

const fork = (
  layers: readonly Layer[],
  settings: LocalSettings,
  options: { label?: string; signal?: AbortSignal } = {},
) => make(layers, { ...settings, label: options.label ?? settings.label }, options.signal);

function layerWriter(connection: HelperConnection, settings: LocalSettings): LocalSandbox {
  return new LocalSandbox({
    id: "layer",
    connection,
    settings,
    layers: [],
    onGone: async () => {},
    snapshot: () => Promise.reject(new LachesisError("unsupported", "A layer has no snapshots.")),
  });
}
