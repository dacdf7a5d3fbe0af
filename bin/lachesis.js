#!/usr/bin/env node
// Nothing is imported before the version is known to be enough: an old Node would fail on syntax, without a clear word.
// A checkout brings its own Node as a development dependency; where the system's is too old, that one takes over.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as module from "node:module";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  module.enableCompileCache();
  const { main } = await import("../dist/cli/main.js");
  process.exit(await main(process.argv.slice(2)));
}

const own = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
if (!existsSync(own)) {
  process.stderr.write(
    `lachesis needs Node 22.18 or newer; this is ${process.version} (${process.execPath}).\n` +
      "Install a newer one from https://nodejs.org, or `npm install node@24` in your project and use npx.\n",
  );
  process.exit(2);
}
const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
