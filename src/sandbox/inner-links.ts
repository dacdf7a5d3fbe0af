/** Which symlinks of a tree are copied into a sandbox: those that lead to a place in the same tree, whatever the backend. */

/** `path` is where the link lies, relative to the tree, with slashes; only the texts are looked at, not what is on disk. */
export function linkStaysInside(path: string, link: string): boolean {
  if (link.startsWith("/")) return false;
  let depth = path.split("/").length - 1;
  for (const part of link.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return true;
}
