/**
 * Secrets come from the environment and from `.env` in the working directory; a variable that is already set wins.
 * Every value that looks like a secret by its variable's name is registered with `redact` before anything is printed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { errorMessage, isErrno, LachesisError, redact } from "../core/index.ts";

const SECRET_VARIABLE = /(^|_)(KEY|TOKEN|TOKENS|SECRET|PASSWORD|PASSWD|CREDENTIALS)$|_TOKEN_ID$|_API_KEY/i;

/** True for the name of a variable that holds a secret, such as OPENAI_API_KEY. */
export const isSecretVariable = (name: string): boolean => SECRET_VARIABLE.test(name);

/**
 * Adds the variables of `DIRECTORY/.env` to `environment` where they are not set. Gives the names that were added.
 * Throws `config_invalid` when the file exists and cannot be read.
 */
export async function loadDotEnv(
  directory: string = process.cwd(),
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string[]> {
  const file = join(directory, ".env");
  const added: string[] = [];
  let text = "";
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    // A directory of that name is a virtual environment of Python, not ours.
    if (!isErrno(error) || (error.code !== "ENOENT" && error.code !== "EISDIR")) {
      throw new LachesisError("config_invalid", `${file}: cannot be read: ${errorMessage(error)}.`, { cause: error });
    }
  }
  for (const [name, value] of Object.entries(parseEnv(text))) {
    if (environment[name] !== undefined || value === undefined) continue;
    environment[name] = value;
    added.push(name);
  }
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && isSecretVariable(name)) redact(value);
  }
  return added;
}
