/** Makes an environment's file a program: `node env.ts process …`. Imported by another file, it does nothing. */
import { realpathSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import type { EnvClass } from "./base-env.ts";

/** Runs the command line if the file of `meta` is the one that Node was started with; ends the process. */
export function runIfMain(meta: ImportMeta, Env: EnvClass): void {
  if (!isMain(meta)) return;
  enableCompileCache();
  // Loaded late: an environment that is only imported needs neither flags nor YAML.
  void import("./command.ts").then(async ({ runEnvironmentCommand }) => {
    process.exit(await runEnvironmentCommand(process.argv.slice(2), Env));
  });
}

function isMain(meta: ImportMeta): boolean {
  const started = process.argv[1];
  if (started === undefined || !meta.url.startsWith("file:")) return false;
  try {
    return realpathSync(started) === realpathSync(fileURLToPath(meta.url));
  } catch {
    // Started from something that is no file, such as `node -e`.
    return false;
  }
}
