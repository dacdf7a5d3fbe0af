/**
 * Who a run is for the trajectory API, kept in `serve.json` of its directory: the keys under which it sends groups begin
 * with the run's own id, and a run that is started again registers as the environment that it was before.
 */
import { createHash, randomUUID } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, isObject, LachesisError } from "../../core/index.ts";
import { writeAtomically } from "../../evaluation/index.ts";

export interface ServeIdentity {
  /** Random; tells the groups of two runs apart that have the same names. */
  run: string;
  /** With it the API gives the environment its old id; null before the first registration, and of v1 servers. */
  token: string | null;
  /** Name at the first registration; its checkpoints are kept under it. */
  name: string | null;
}

const FILE = "serve.json";

/** The identity that is kept in the directory, or a new one. Throws `data_invalid` for a damaged file. */
export async function readIdentity(directory: string): Promise<ServeIdentity> {
  const path = join(directory, FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (!isErrno(error) || error.code !== "ENOENT") throw error;
    const fresh = { run: randomUUID(), token: null, name: null };
    await writeIdentity(directory, fresh);
    return fresh;
  }
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || typeof value.run !== "string") {
    throw new LachesisError("data_invalid", `${path} is damaged; without it groups could be sent twice.`);
  }
  const { run, token, name } = value;
  return { run, token: typeof token === "string" ? token : null, name: typeof name === "string" ? name : null };
}

/** Settles when it is on disk; readable by its owner only. */
export async function writeIdentity(directory: string, identity: ServeIdentity): Promise<void> {
  const path = join(directory, FILE);
  await writeAtomically(path, `${JSON.stringify(identity)}\n`);
  await chmod(path, 0o600);
}

/**
 * The idempotency key of a group. Its content is part of it: a copy of a run's directory has the same id and may make other
 * groups under the same names. Group ids may hold what a header cannot.
 */
export function keyOf(identity: ServeIdentity, groupId: string, group: unknown): string {
  const hash = createHash("sha256").update(groupId).update("\n").update(JSON.stringify(group));
  return `${identity.run}-${hash.digest("hex").slice(0, 32)}`;
}
