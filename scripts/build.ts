// Compiles src/ to dist/, and environments/ to dist/environments: Node strips no types inside node_modules, so that an
// installed package runs those copies. Nothing else is needed at install: the sandbox helper and the model weights are in
// the repository.
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

// The environments see the library as a user does, by its compiled declarations: first src, then they.
for (const project of ["tsconfig.build.json", "tsconfig.environments.json"]) {
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

// What environments read beside their code: data, settings, README.
cpSync("environments", "dist/environments", { recursive: true, filter: (path) => !/\.ts$/.test(path) });
