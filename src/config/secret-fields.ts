/**
 * The form of a configuration that may be printed and stored. A value is hidden when its field's schema carries
 * `meta({ secret: true })`, when its name says that it is a key, or when it is a URL with a password in it.
 */
import { isObject, type JsonObject, type JsonValue } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import type { ResolvedConfig } from "./resolved.ts";
import { metaOf, type Schema, schemaAt } from "./schema.ts";

export const HIDDEN = "(hidden)";

const SECRET_NAME =
  /(^|[_-])(api_?key|apikey|secrets?|passwords?|passwd|authorization|credentials?|(access|auth|bearer|refresh|hub|hf)[_-]?token|token[_-]?secret|x-api-key)$|^(token|key|env_vars)$|_env_vars$/i;

/** True when the name alone says that a value must not be shown. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/** The value at `path` below `schema` with its secrets hidden. Empty values stay as they are: they hide nothing. */
export function hideSecrets(value: unknown, schema: Schema | null, path: readonly string[] = []): JsonValue {
  const name = path.at(-1) ?? "";
  const secret = (schema !== null && metaOf(schema).secret) || isSecretName(name);
  return hide(value, secret, schema);
}

function hide(value: unknown, secret: boolean, schema: Schema | null): JsonValue {
  if (value === null || value === undefined || value === "") return value === undefined ? null : (value as null | "");
  if (Array.isArray(value)) return value.map((item) => hide(item, secret, schema && schemaAt(schema, ["0"])));
  if (isObject(value)) {
    const result: JsonObject = {};
    for (const [key, item] of Object.entries(value)) {
      const below = schema && schemaAt(schema, [key]);
      const hidden = secret || isSecretName(key) || (below !== null && metaOf(below).secret);
      result[key] = hide(item, hidden, below);
    }
    return result;
  }
  if (secret) return HIDDEN;
  if (typeof value === "string") return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i, `$1${HIDDEN}@`);
  if (typeof value === "number" || typeof value === "boolean") return value;
  return String(value);
}

/**
 * The configuration as plain JSON without secrets, sources and notes: what run directories hold and what two runs are
 * compared by.
 * @param schema The schema of the `env` section.
 */
export function publicConfig(config: ResolvedConfig<object>, schema: Schema): JsonObject {
  return {
    env: hideSecrets(config.env, schema),
    openai: config.openai.map((server) => hideSecrets(server, ServerConfig)),
    judge: config.judge === null ? null : hideSecrets(config.judge, ServerConfig),
    slurm: config.slurm,
    testing: config.testing,
    max_n_completions: config.max_n_completions,
    proxy_url: hideSecrets(config.proxy_url, null),
  };
}
