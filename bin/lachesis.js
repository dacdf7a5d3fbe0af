#!/usr/bin/env node
// Nothing is imported before the version is known to be enough: an old Node would fail on syntax, without a clear word.
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `lachesis needs Node 22.18 or newer; this is ${process.version} (${process.execPath}).\n` +
      "Install a newer one from https://nodejs.org, or `npm install node@24` in your project and use npx.\n",
  );
  process.exit(2);
}

const { main } = await import("../dist/cli/main.js");
process.exit(await main(process.argv.slice(2)));
