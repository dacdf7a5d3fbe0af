/**
 * Finds an environment: a path to a .ts or .js file, a folder that holds env.ts, or the name of one that is shipped. Node
 * strips types only outside of node_modules, so an installed package runs the compiled copies of its environments.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { LachesisError, nearestName } from "../core/index.ts";

/** The folder that holds package.json, from the sources as from the compiled files. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../..", import.meta.url));

const EXTENSIONS = new Set([".ts", ".mts", ".js", ".mjs"]);
const ENTRIES = ["env.ts", "env.js", "env.mts", "env.mjs"];
const FOLDERS = ["environments", "benchmarks"];

const isInstalled = (path: string): boolean => path.split(sep).includes("node_modules");

/** Names of the shipped environments with their folders, sorted. */
export function shippedEnvironments(root: string = PACKAGE_ROOT): { name: string; path: string }[] {
  return FOLDERS.flatMap((folder) => {
    const base = isInstalled(root) ? join(root, "dist", folder) : join(root, folder);
    if (!existsSync(base)) return [];
    return readdirSync(base, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => {
        const path = entryOf(join(base, name));
        return path === null ? [] : [{ name, path }];
      });
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The absolute path of an environment's file. Throws `config_invalid` with the nearest names where there is none.
 * @example locateEnvironment("terminal-test") // "/…/environments/terminal-test/env.ts"
 */
export function locateEnvironment(named: string, from: string = process.cwd(), root: string = PACKAGE_ROOT): string {
  const path = resolve(from, named);
  const stat = existsSync(path) ? statSync(path) : null;
  if (stat?.isFile()) {
    if (!EXTENSIONS.has(extname(path))) throw unknown(`${named}: an environment is a .ts or .js file.`);
    return compiledCopy(path, root);
  }
  const shipped = shippedEnvironments(root);
  const found = shipped.find(({ name }) => name === named);
  if (found !== undefined) return found.path;
  if (stat?.isDirectory()) {
    const entry = entryOf(path);
    if (entry !== null) return compiledCopy(entry, root);
    throw unknown(`${named}: this folder holds no ${ENTRIES[0]} or ${ENTRIES[1]}.`);
  }
  const names = shipped.map(({ name }) => name);
  if (named.includes("/") || named.includes(sep) || EXTENSIONS.has(extname(named))) {
    const folder = dirname(path);
    const files = existsSync(folder) ? readdirSync(folder).filter((name) => EXTENSIONS.has(extname(name))) : [];
    const near = nearestName(relative(folder, path), files);
    const hint = near === undefined ? "" : ` Did you mean ${join(dirname(named), near)}?`;
    throw unknown(`${named}: there is no such file.${hint}`);
  }
  const near = nearestName(named, names);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  const list = names.length === 0 ? "none are shipped" : names.join(", ");
  throw unknown(`${named}: there is no such environment.${hint} Give a path to a file, or one of: ${list}.`);
}

/** For a TypeScript file of an installed package: its compiled copy, since Node will not strip types there. */
function compiledCopy(path: string, root: string): string {
  if (!isInstalled(path) || !/\.m?ts$/.test(path)) return path;
  const inside = relative(root, path);
  const copy = join(root, "dist", inside.replace(/ts$/, "js"));
  if (!inside.startsWith("..") && existsSync(copy)) return copy;
  throw unknown(
    `${path}: Node does not run TypeScript inside node_modules. Copy the file out of it, or give its compiled .js file.`,
  );
}

function entryOf(folder: string): string | null {
  return ENTRIES.map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

const unknown = (message: string): LachesisError => new LachesisError("config_invalid", message);
