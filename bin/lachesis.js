#!/usr/bin/env node
// Nothing is imported before the version is known to be enough: an old Node would fail on syntax, without a clear word.
// A checkout brings its own Node as a development dependency; where the system's is too old, that one takes over.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as module from "node:module";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  dieWithWrapper();
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
// In a session of its own, so that Ctrl-C reaches it once, through this process, and not a second time from the terminal.
const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
  detached: true,
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: { ...process.env, LACHESIS_WRAPPER: String(process.pid) },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH", "SIGCONT"])
  process.on(signal, () => child.kill(signal));
process.on("SIGTSTP", () => {
  child.kill("SIGSTOP");
  process.kill(process.pid, "SIGSTOP");
});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

/** A handed-over run ends as its wrapper does: after `kill -9` of the process that was started, nothing goes on. */
function dieWithWrapper() {
  const { LACHESIS_WRAPPER: wrapper } = process.env;
  delete process.env.LACHESIS_WRAPPER;
  if (wrapper !== String(process.ppid) || !process.channel) return;
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel.unref();
}
