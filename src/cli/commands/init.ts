/** `lachesis init NAME`: writes a working environment. It never overwrites anything. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { Command } from "commander";
import { isObject, LachesisError } from "../../core/index.ts";
import { initFiles } from "../init-files.ts";
import { parseOptions } from "../parse.ts";

export async function run(argv: readonly string[]): Promise<number> {
  const command = new Command("lachesis init")
    .description("Makes a folder with a working environment: env.ts, its test, default.yaml and a README.")
    .argument("<name>", "name or path of the new folder, such as my-env or environments/my-env");
  const parsed = parseOptions(command, argv);
  if (typeof parsed === "number") return parsed;
  const given = parsed.args[0]!;
  const path = resolve(given);
  const name = basename(path);
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new LachesisError(
      "config_invalid",
      `"${name}" is no name for an environment; allowed: lower-case words joined by dashes, such as my-env.`,
    );
  }
  if (existsSync(path) && !(statSync(path).isDirectory() && readdirSync(path).length === 0)) {
    throw new LachesisError(
      "config_invalid",
      `${given} exists and is not empty; nothing is overwritten. Choose another name.`,
    );
  }
  const project = projectAbove(dirname(path));
  const folder = relative(process.cwd(), path);
  const names = {
    name,
    className: `${name
      .split("-")
      .map((word) => word[0]!.toUpperCase() + word.slice(1))
      .join("")}Env`,
    testModule: usesVitest(project) ? ("vitest" as const) : ("node:test" as const),
    folder: folder.startsWith("..") ? path : `./${folder}`,
  };
  const files = initFiles(names);
  // Without it Node guesses the module's type at every start, and says so.
  if (project?.content.type !== "module")
    files["package.json"] = `${JSON.stringify({ private: true, type: "module" }, null, 2)}\n`;
  await mkdir(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text, { flag: "wx" });

  const made = Object.keys(files).map((file) => `  ${join(folder, file)}`);
  const steps = [`  npx lachesis process ${names.folder}/env.ts`, `  npx lachesis evaluate ${names.folder}/env.ts`];
  if (!canImport(path)) steps.unshift("  npm install lachesis");
  process.stdout.write(
    [
      `Made the environment ${name}:`,
      ...made,
      "",
      "Next:",
      ...steps,
      "",
      "It uses the embedded model. For another server: --openai.base_url URL --openai.model_name NAME; its key is read from",
      "the environment or .env (OPENAI_API_KEY, OPENROUTER_API_KEY, ANTHROPIC_API_KEY, …, by the address).",
      "",
    ].join("\n"),
  );
  return 0;
}

interface Project {
  path: string;
  content: Record<string, unknown>;
}

/** The nearest package.json; null where there is none, or none that can be read. */
function projectAbove(folder: string): Project | null {
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, "package.json");
    if (existsSync(path)) {
      try {
        const content: unknown = JSON.parse(readFileSync(path, "utf8"));
        return isObject(content) ? { path, content } : null;
      } catch {
        return null; // npm will complain about it; it is no reason to refuse
      }
    }
    if (dirname(at) === at) return null;
  }
}

function usesVitest(project: Project | null): boolean {
  const { dependencies, devDependencies } = project?.content ?? {};
  return [dependencies, devDependencies].some((list) => isObject(list) && typeof list.vitest === "string");
}

function canImport(folder: string): boolean {
  try {
    createRequire(join(folder, "env.ts")).resolve("lachesis/package.json");
    return true;
  } catch {
    return false; // not installed here: said in the next steps
  }
}
