/**
 * The hub's cache on this machine, in the layout that Python's huggingface_hub keeps: `models--org--name/refs/main` holds
 * a commit, `snapshots/<commit>/` its files. What is written here, Python finds, and the other way round.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isErrno } from "../core/index.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `~/.cache/huggingface`, or where HF_HOME says. */
export function hubHome(env: Environment): string {
  return env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
}

export class HubCache {
  readonly #folder: string;

  constructor(id: string, env: Environment) {
    const root = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome(env), "hub");
    this.#folder = join(root, `models--${id.replaceAll("/", "--")}`);
  }

  /** The commit that a branch, tag or commit stands for; null where the cache does not know. */
  async commit(revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readIfThere(join(this.#folder, "refs", revision));
    return text !== null && isCommit(text.trim()) ? text.trim() : null;
  }

  snapshot(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  async has(commit: string, file: string): Promise<boolean> {
    try {
      return (await stat(join(this.snapshot(commit), file))).isFile();
    } catch (error) {
      if (isErrno(error)) return false;
      throw error;
    }
  }

  /** Writes a file whole or not at all. */
  async write(commit: string, file: string, content: Uint8Array): Promise<void> {
    await replaceFile(join(this.snapshot(commit), file), content);
  }

  async setRef(revision: string, commit: string): Promise<void> {
    if (!isCommit(revision)) await replaceFile(join(this.#folder, "refs", revision), commit);
  }
}

export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw error;
  }
}

async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}
