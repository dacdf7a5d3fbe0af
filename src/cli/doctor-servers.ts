/** Which inference servers are configured, and whether they answer. Only free calls are made: /health and /models. */
import { type FlagUse, loadDotEnv, resolveConfig } from "../config/index.ts";
import { errorMessage, redacted } from "../core/index.ts";
import { AgentEnvConfig } from "../environment/fields.ts";
import { apiKeyOf, baseUrlOf, keyVariableFor } from "../inference/api-keys.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import type { Check } from "./doctor-checks.ts";

const ANSWER_WITHIN_MS = 5000;

/**
 * Asks the servers that a file and flags name. Throws `config_invalid` when those are wrong. Without any, only the
 * embedded model is looked at.
 */
export async function checkServers(file: string | null, flags: readonly FlagUse[]): Promise<Check[]> {
  await loadDotEnv();
  const named = file !== null || flags.length > 0 || Boolean(process.env.OPENAI_BASE_URL);
  if (!named) return [await checkEmbedded("tiny")];
  const own = flags.filter(({ path }) => path[0] !== "env");
  const { openai, judge } = await resolveConfig({
    schema: AgentEnvConfig.loose(),
    file,
    flags: own,
    otherFlags: ["--config", "--json"],
  });
  const checks = await Promise.all(openai.map((server) => checkServer(server)));
  if (judge !== null) checks.push(await checkServer(judge));
  return checks;
}

async function checkEmbedded(model: string): Promise<Check> {
  const name = "embedded model";
  try {
    const { EmbeddedServer, embeddedModelFolder } = await import("../inference/embedded/index.ts");
    const server = await EmbeddedServer.open({ model: embeddedModelFolder(model) });
    await server.close();
    return { name, state: "ok", found: "its weights can be loaded", advice: null };
  } catch (error) {
    return {
      name,
      state: "bad",
      found: errorMessage(error),
      advice: "install lachesis again, or name a server: --openai.base_url URL",
    };
  }
}

async function checkServer(server: ServerConfig): Promise<Check> {
  if (server.server_type === "embedded") return checkEmbedded(server.model_name);
  const base = baseUrlOf(server);
  const name = `server ${shownUrl(base)}`;
  const key = apiKeyOf(server);
  const wanted = keyVariableFor(base);
  if (wanted !== null && key === "") {
    return { name, state: "bad", found: `${wanted} is not set`, advice: `set ${wanted} in the environment or in .env` };
  }
  const headers: Record<string, string> = key === "" ? {} : { authorization: `Bearer ${key}` };
  const root = base.replace(/\/v1$/, "");
  const answers: string[] = [];
  for (const url of [`${base}/models`, `${root}/health`]) {
    try {
      const response = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      const text = await response.text();
      if (response.ok)
        return {
          name,
          ...(url.endsWith("/models") ? modelCheck(text, server) : { state: "ok", found: "answers", advice: null }),
        };
      if (response.status === 401 || response.status === 403) {
        return {
          name,
          state: "bad",
          found: `refuses the key (${response.status})`,
          advice: `check ${wanted ?? "openai.api_key"}`,
        };
      }
      answers.push(`${response.status} for ${new URL(url).pathname}`);
    } catch (error) {
      const cause =
        error instanceof Error && error.cause !== undefined ? errorMessage(error.cause) : errorMessage(error);
      answers.push(redacted(cause));
      break; // no connection: another path would not fare better
    }
  }
  return {
    name,
    state: "bad",
    found: `does not answer: ${answers.join(", ")}`,
    advice: "start it, or correct openai.base_url",
  };
}

function modelCheck(text: string, server: ServerConfig): Omit<Check, "name"> {
  const ids = modelIds(text);
  if (ids.length === 0) return { state: "ok", found: "answers", advice: null };
  if (server.model_name === "default" || ids.includes(server.model_name)) {
    return {
      state: "ok",
      found: `answers; ${ids.length === 1 ? `model ${ids[0]}` : `${ids.length} models`}`,
      advice: null,
    };
  }
  const shown = ids.slice(0, 5).join(", ");
  return {
    state: "bad",
    found: `does not list the model ${server.model_name}`,
    advice: `set openai.model_name to one it has: ${shown}`,
  };
}

function modelIds(text: string): string[] {
  try {
    const value = JSON.parse(text) as { data?: unknown };
    return Array.isArray(value.data) ? value.data.map((model: { id?: unknown }) => String(model?.id)) : [];
  } catch {
    return []; // an answer of another kind: it is there, that is all that is known
  }
}

function shownUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/@]+@/i, "$1");
}
