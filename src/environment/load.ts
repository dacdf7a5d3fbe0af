/** Loads the class of an environment from its file. What the file does wrong is said in one message, at its place. */
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { errorMessage, LachesisError } from "../core/index.ts";
import type { EnvClass } from "./base-env.ts";

/** Imports the file and gives its environment: the default export, or the only exported class that is one. */
export async function loadEnvironment(path: string): Promise<EnvClass> {
  let exports: Record<string, unknown>;
  try {
    exports = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new LachesisError("config_invalid", `${path} cannot be loaded: ${explained(error, path)}`, { cause: error });
  }
  if (isEnvClass(exports.default)) return exports.default;
  const classes = Object.values(exports).filter(isEnvClass);
  if (classes.length === 1) return classes[0]!;
  const found = classes.length === 0 ? "exports no environment" : `exports ${classes.length} environments`;
  throw new LachesisError(
    "config_invalid",
    `${path} ${found}; it needs \`export default class … extends AgentEnv\` (or BaseEnv).`,
  );
}

/** True for classes that derive from BaseEnv, also when they come from another copy of the package. */
export function isEnvClass(value: unknown): value is EnvClass {
  if (typeof value !== "function" || typeof value.prototype !== "object" || value.prototype === null) return false;
  return "Config" in value && "configInit" in value && "getNextItem" in value.prototype;
}

/** The error's message with the place in the user's file, where the stack names it. */
function explained(error: unknown, path: string): string {
  const message = stripVTControlCharacters(errorMessage(error)).trim();
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frame = stack.split("\n").find((line) => line.includes(path));
  const place = frame === undefined ? "" : ` (${frame.trim().replace(/^at /, "").replace("file://", "")})`;
  return `${message}${place}`;
}
