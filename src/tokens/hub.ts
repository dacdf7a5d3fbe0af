/**
 * A tokenizer's files from the hub, over its published routes, kept in the cache by commit: one load never mixes two
 * commits, and a revision that is a commit is never asked for twice. The token is sent to the hub's own address only.
 */
import { join } from "node:path";
import { errorMessage, isObject, type LachesisError, logger, redact } from "../core/index.ts";
import { type Environment, HubCache, hubHome, isCommit, readIfThere } from "./hub-cache.ts";
import { tokenizerError } from "./tokenizer/fields.ts";

const FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "generation_config.json",
  "config.json",
];
const TEMPLATE = /^additional_chat_templates\/[\w.-]+\.jinja$/;
const ATTEMPTS = 3;
const INFO_TIMEOUT_MS = 30_000;
const FILE_TIMEOUT_MS = 600_000;

/** True for `name` and `org/name`. */
export const isHubId = (text: string): boolean => /^(?!.*\.\.)[\w.-]+(\/[\w.-]+)?$/.test(text);

/**
 * The folder that holds the tokenizer's files of that revision, fetched where the cache lacks them.
 * @throws LachesisError `tokenizer_error`
 */
export async function hubSnapshot(id: string, revision: string, env: Environment): Promise<string> {
  if (!/^(?!.*\.\.)[\w.-][\w./-]*$/.test(revision)) throw tokenizerError(`${JSON.stringify(revision)} is no revision`);
  const cache = new HubCache(id, env);
  const cached = await cache.commit(revision);
  const complete = cached !== null && (await cache.has(cached, "tokenizer.json")) ? cache.snapshot(cached) : null;
  if (complete !== null && isCommit(revision)) return complete;
  if (/^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? "")) {
    if (complete !== null) return complete;
    throw tokenizerError(`${id} at ${revision} is not in the hub's cache, and HF_HUB_OFFLINE is set`);
  }
  const hub = await connect(env);
  let info: RepositoryInfo;
  try {
    info = await hub.info(id, revision);
  } catch (error) {
    if (complete === null || !(error instanceof Unreachable)) throw converted(error, id, revision);
    logger.warn({ id, revision }, "the hub cannot be reached; the tokenizer is taken from its cache");
    return complete;
  }
  try {
    for (const file of info.files.filter((name) => FILES.includes(name) || TEMPLATE.test(name))) {
      if (!(await cache.has(info.commit, file))) {
        await cache.write(info.commit, file, await hub.file(id, info.commit, file));
      }
    }
  } catch (error) {
    throw converted(error, id, revision);
  }
  await cache.setRef(revision, info.commit);
  return cache.snapshot(info.commit);
}

function converted(error: unknown, id: string, revision: string): LachesisError {
  return tokenizerError(`${id} at ${revision} cannot be loaded from the hub: ${errorMessage(error)}`, error);
}

interface RepositoryInfo {
  commit: string;
  files: string[];
}

/** The hub gave no answer, or only errors of its own. */
class Unreachable extends Error {}

async function connect(env: Environment): Promise<Hub> {
  const path = env.HF_TOKEN_PATH || join(hubHome(env), "token");
  const token = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || (await readIfThere(path)) || "").trim();
  if (token !== "") redact(token);
  return new Hub((env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""), token);
}

class Hub {
  readonly #endpoint: string;
  readonly #token: string;

  constructor(endpoint: string, token: string) {
    this.#endpoint = endpoint;
    this.#token = token;
  }

  async info(id: string, revision: string): Promise<RepositoryInfo> {
    const route = `/api/models/${id}/revision/${encodeURIComponent(revision)}`;
    const body: unknown = JSON.parse(new TextDecoder().decode(await this.#get(route, INFO_TIMEOUT_MS)));
    if (!isObject(body) || typeof body.sha !== "string" || !isCommit(body.sha) || !Array.isArray(body.siblings)) {
      throw new Error(`${this.#endpoint} answered without a commit and a list of files`);
    }
    const names = body.siblings.map((entry: unknown) => (isObject(entry) ? entry.rfilename : undefined));
    return { commit: body.sha, files: names.filter((name) => typeof name === "string") };
  }

  async file(id: string, commit: string, file: string): Promise<Uint8Array> {
    return await this.#get(`/${id}/resolve/${commit}/${file}`, FILE_TIMEOUT_MS);
  }

  async #get(route: string, timeoutMs: number): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(route, timeoutMs);
      } catch (error) {
        if (!(error instanceof Unreachable) || attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** attempt));
      }
    }
  }

  async #once(route: string, timeoutMs: number): Promise<Uint8Array> {
    let response: Response;
    try {
      // A redirect to another origin drops the authorization header, as fetch is specified.
      response = await fetch(this.#endpoint + route, {
        headers: this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
    } catch (error) {
      throw new Unreachable(`${this.#endpoint} cannot be reached: ${causeOf(error)}`, { cause: error });
    }
    const { status } = response;
    if (status === 401 || status === 403) {
      const how = this.#token === "" ? "set HF_TOKEN" : "the token in HF_TOKEN may not read it";
      throw new Error(`the hub refuses it (${status}); if the model exists, it is private or gated: ${how}`);
    }
    if (status === 404) throw new Error(`the hub does not know ${route} (404)`);
    if (status >= 500 || status === 429) throw new Unreachable(`${this.#endpoint} answered ${status}`);
    throw new Error(`the hub answered ${status} to ${route}`);
  }
}

/** fetch hides the reason in `cause`. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? errorMessage(error.cause) : errorMessage(error);
}
