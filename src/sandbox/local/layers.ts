/**
 * Frozen content below a sandbox. A layer is a directory on the host, written once by a helper under the sandbox's own
 * user ids and never changed; it lives as long as a snapshot or a sandbox uses it.
 */
import { chownSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LachesisError } from "../../core/index.ts";
import type { Snapshot } from "../contract.ts";
import { HelperConnection } from "./connection.ts";
import type { HelperCommand } from "./helper.ts";
import { makeOwned, removeTree } from "./owners.ts";
import { EXEC, WINDOW_BYTES } from "./protocol.ts";
import type { LocalSandbox } from "./sandbox.ts";
import { type LocalSettings, layerPayload } from "./settings.ts";

/** First host id of the range that real root gives to sandboxes; native/src/main.c has the same. */
const RANGE_START = 200_000;
/** Overlays can stack more, but every layer costs each lookup. */
const LAYERS_MAX = 100;

export class Layer {
  readonly directory: string;
  readonly #owned: string;
  #users = 0;

  constructor(owned: string) {
    this.#owned = owned;
    this.directory = join(owned, "layer");
  }

  retain(): void {
    this.#users++;
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await removeTree(this.#owned);
  }
}

export type MakeFork = (
  layers: readonly Layer[],
  settings: LocalSettings,
  options: Parameters<Snapshot["fork"]>[0],
) => ReturnType<Snapshot["fork"]>;

/** Copies what the sandbox changed into a new layer while all its processes are stopped. */
export async function takeSnapshot(
  sandbox: LocalSandbox,
  helper: HelperCommand,
  makeWriter: (connection: HelperConnection, settings: LocalSettings) => LocalSandbox,
  fork: MakeFork,
): Promise<Snapshot> {
  if (sandbox.layers.length >= LAYERS_MAX) {
    throw new LachesisError(
      "unsupported",
      `A snapshot of a snapshot, ${LAYERS_MAX} deep, cannot be taken; start from a fresh sandbox.`,
    );
  }
  const owned = makeOwned("snapshot", sandbox.settings.label);
  const layer = new Layer(owned);
  try {
    mkdirSync(layer.directory, { mode: 0o755 });
    const inner = innerHostId(sandbox.settings);
    if (inner !== null) chownSync(layer.directory, inner, inner);
    const connection = new HelperConnection(helper, layerPayload(sandbox.settings, layer.directory));
    const writer = makeWriter(connection, sandbox.settings);
    try {
      await connection.ready;
      await sandbox.frozen(() => copyChanges(sandbox, writer));
    } finally {
      await writer.destroy();
    }
  } catch (error) {
    await removeTree(owned);
    throw error;
  }
  return new LocalSnapshot([layer, ...sandbox.layers], sandbox.settings, fork);
}

async function copyChanges(from: LocalSandbox, to: LocalSandbox): Promise<void> {
  const queue = new ChunkQueue((full) => from.flow(!full));
  const unpacked = to.receiveArchive(queue, "/layer", EXEC.unpack | EXEC.layer, "snapshot");
  unpacked.catch(() => {});
  try {
    await from.sendArchive("/", EXEC.pack | EXEC.layer, "snapshot", (chunk) => queue.push(chunk));
    queue.end(null);
  } catch (error) {
    queue.end(error);
    await unpacked.catch(() => {});
    throw error;
  } finally {
    from.flow(true);
  }
  await unpacked;
}

/** Bytes between the two helpers; asks the first to wait when the second falls behind. */
class ChunkQueue implements AsyncIterable<Uint8Array> {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #error: unknown = null;
  #wake: (() => void) | null = null;
  readonly #onFull: (full: boolean) => void;

  constructor(onFull: (full: boolean) => void) {
    this.#onFull = onFull;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > 4 * WINDOW_BYTES) this.#onFull(true);
    this.#wake?.();
  }

  end(error: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#bytes -= chunk.length;
        if (this.#bytes <= WINDOW_BYTES) this.#onFull(false);
        yield chunk;
      } else if (this.#error !== null) throw this.#error;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

class LocalSnapshot implements Snapshot {
  readonly #layers: readonly Layer[];
  readonly #settings: LocalSettings;
  readonly #fork: MakeFork;
  #released = false;

  constructor(layers: readonly Layer[], settings: LocalSettings, fork: MakeFork) {
    this.#layers = layers;
    this.#settings = settings;
    this.#fork = fork;
    for (const layer of layers) layer.retain();
  }

  async fork(options: Parameters<Snapshot["fork"]>[0] = {}) {
    if (this.#released) throw new LachesisError("sandbox_closed", "The snapshot was released.");
    return this.#fork(this.#layers, this.#settings, options);
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    for (const layer of this.#layers) await layer.release();
  }
}

/** The host id that owns the sandbox's files, or null when it is this process's own. */
function innerHostId(settings: LocalSettings): number | null {
  if (process.getuid?.() !== 0) return null;
  const map = readFileSync("/proc/self/uid_map", "utf8");
  const covered = map
    .trim()
    .split("\n")
    .some((line) => {
      const [inside, , length] = line.trim().split(/\s+/).map(Number);
      return inside! <= RANGE_START && inside! + length! >= RANGE_START + 65536;
    });
  return covered ? RANGE_START + settings.innerId : null;
}
