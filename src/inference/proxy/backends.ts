/**
 * The inference servers behind a proxy: those that it was started with or was set up with later, and managers for single
 * servers that sessions are tied to. A session keeps the backend it was made with, whatever is set up afterwards.
 */
import { LachesisError } from "../../core/index.ts";
import { loadTokenizer } from "../../tokens/index.ts";
import type { ChatServer, TokenServer } from "../contract.ts";
import { embeddedModelFolder } from "../embedded/index.ts";
import type { ServerConfig, ServerConfigInput } from "../server-config.ts";
import { ServerManager } from "../server-manager.ts";
import type { ChatTokenizer } from "../sessions/index.ts";
import { refusal } from "./wire-errors.ts";

/** Servers as a session uses them. */
export interface Backend {
  /** Gives exact tokens; null for servers of type openai. */
  tokens: TokenServer | null;
  chat: ChatServer;
  /** null where there is none: then nothing can be rendered or tracked. */
  tokenizer: ChatTokenizer | null;
  model: string;
}

/** What `GET /servers` says of one. */
export interface ServerFacts {
  index: number;
  base_url: string | null;
  model_name: string;
  server_type: string;
  healthy: boolean;
  in_flight: number;
}

/** Backends out of server configurations. */
export class ManagedBackends {
  #manager: ServerManager;
  #tokenizer: Promise<ChatTokenizer | null> | null = null;
  readonly #all: ServerManager[] = [];
  readonly #pinned = new Map<string, ServerManager>();

  /** Throws `config_invalid` for contradictory lists. */
  constructor(configs: ServerConfigInput | readonly ServerConfigInput[]) {
    this.#manager = this.#open(configs);
  }

  get manager(): ServerManager {
    return this.#manager;
  }

  /** Takes other servers for the sessions to come. Those that are in use go on. */
  async setup(configs: readonly ServerConfigInput[]): Promise<void> {
    const before = { manager: this.#manager, tokenizer: this.#tokenizer };
    this.#manager = this.#open(configs);
    this.#tokenizer = null;
    this.#pinned.clear();
    try {
      await this.open(null);
    } catch (error) {
      this.#manager = before.manager;
      this.#tokenizer = before.tokenizer;
      throw error;
    }
  }

  /** The servers together, or one of them. Throws `tokenizer_error`, or a refusal for an address that is none of them. */
  async open(baseUrl: string | null): Promise<Backend> {
    const manager = baseUrl === null ? this.#manager : this.#one(baseUrl);
    this.#tokenizer ??= tokenizerOf(this.#manager.servers[0]!.config);
    this.#tokenizer.catch(() => {
      this.#tokenizer = null;
    });
    const tokenizer = await this.#tokenizer;
    return { tokens: manager.givesTokens ? manager : null, chat: manager, tokenizer, model: manager.modelName };
  }

  facts(): ServerFacts[] {
    return this.#manager.servers.map(({ index, config, health, inFlight }) => ({
      index,
      base_url: withoutCredentials(config.base_url),
      model_name: config.model_name,
      server_type: config.server_type,
      healthy: !health.isDown,
      in_flight: inFlight,
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((manager) => manager.close()));
  }

  #one(baseUrl: string): ServerManager {
    const wanted = plain(baseUrl);
    const server = this.#manager.servers.find(({ config }) => plain(config.base_url ?? "") === wanted);
    if (!server) {
      // Any other address would let callers make this machine send requests wherever they like.
      const known = this.#manager.servers.map(({ config }) => withoutCredentials(config.base_url)).filter(Boolean);
      throw refusal(
        400,
        "unknown_server",
        `base_url is none of the proxy's servers${known.length > 0 ? `: ${known.join(", ")}` : ""}.`,
      );
    }
    const manager = this.#pinned.get(wanted) ?? this.#open([server.config]);
    this.#pinned.set(wanted, manager);
    return manager;
  }

  #open(configs: ServerConfigInput | readonly ServerConfigInput[]): ServerManager {
    const manager = new ServerManager(configs);
    this.#all.push(manager);
    return manager;
  }
}

/** The tokenizer that belongs to a server. null only for servers of type openai that name none. */
async function tokenizerOf(config: ServerConfig): Promise<ChatTokenizer | null> {
  const { server_type, tokenizer_name, model_name } = config;
  if (tokenizer_name !== "none") return loadTokenizer(tokenizer_name);
  if (server_type === "openai") return null;
  if (server_type === "embedded") return loadTokenizer(embeddedModelFolder(model_name));
  if (model_name === "default") {
    throw new LachesisError(
      "tokenizer_error",
      "A server of this type needs a tokenizer: name it with --openai.tokenizer_name, or the model with --openai.model_name.",
    );
  }
  return loadTokenizer(model_name);
}

function plain(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function withoutCredentials(url: string | null): string | null {
  if (!url) return null;
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  parsed.search = "";
  return parsed.href;
}
