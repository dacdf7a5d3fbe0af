/** Names beside a missing file that may have been meant. */
import { nearestName } from "../../core/index.ts";
import type { Sandbox } from "../../sandbox/index.ts";
import { endsRollout } from "../fatal.ts";

/** Up to five paths in the same directory, the likeliest first; empty when there is no such directory. */
export async function similarNames(sandbox: Sandbox, path: string): Promise<string[]> {
  const slash = path.lastIndexOf("/");
  const directory = path.slice(0, slash) || "/";
  const wanted = path.slice(slash + 1);
  if (wanted === "") return [];
  let names: string[];
  try {
    const { stdout, exitCode } = await sandbox.exec(
      ["find", "-H", directory, "-mindepth", "1", "-maxdepth", "1", "-print0"],
      { timeoutMs: 10_000, maxBytes: 1_000_000 },
    );
    if (exitCode !== 0) return [];
    names = stdout
      .split("\0")
      .filter((entry) => entry !== "")
      .map((entry) => entry.slice(entry.lastIndexOf("/") + 1));
  } catch (error) {
    if (endsRollout(error)) throw error;
    return [];
  }
  const found: string[] = [];
  const lower = wanted.toLowerCase();
  const stem = lower.replace(/\.[^.]*$/, "");
  const take = (name: string | undefined) => {
    if (name !== undefined && !found.includes(name)) found.push(name);
  };
  names.filter((name) => name.toLowerCase() === lower).forEach(take);
  names.filter((name) => stem.length > 2 && name.toLowerCase().replace(/\.[^.]*$/, "") === stem).forEach(take);
  for (let round = 0; round < 5; round++)
    take(
      nearestName(
        wanted,
        names.filter((name) => !found.includes(name)),
      ),
    );
  names.filter((name) => stem.length > 2 && name.toLowerCase().includes(stem)).forEach(take);
  return found.slice(0, 5).map((name) => `${directory === "/" ? "" : directory}/${name}`);
}
