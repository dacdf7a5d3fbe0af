/**
 * Data sets from the Hugging Face hub, by its published routes: a revision is resolved to a commit once, files are kept
 * by commit, and from then on no network is needed. A download is either whole, with the size and hash that the hub
 * states, or not there. The token is only ever sent to the hub's own address.
 */
import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorMessage, isErrno, isObject, LachesisError, logger, redact, systemClock } from "../core/index.ts";

const COMMIT = /^[0-9a-f]{40}$/;
const ATTEMPTS = 3;

/** A data set at one commit. */
export interface HubDataset {
  id: string;
  commit: string;
  files: HubFile[];
}

export interface HubFile {
  path: string;
  /** Bytes; null where the hub does not say. */
  size: number | null;
  sha256: string | null;
}

export interface HubOptions {
  /** Default HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /** Default HF_TOKEN. */
  token?: string;
  /** Default `$LACHESIS_CACHE`, else `~/.cache/lachesis` (XDG_CACHE_HOME), there `datasets`. */
  cacheDir?: string;
  signal?: AbortSignal;
}

export class Hub {
  readonly #endpoint: string;
  readonly #token: string;
  readonly #cache: string;
  readonly #signal: AbortSignal | undefined;

  constructor(options: HubOptions = {}) {
    const env = process.env;
    this.#endpoint = (options.endpoint || env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
    this.#token = options.token ?? env.HF_TOKEN ?? "";
    redact(this.#token);
    const cacheRoot = env.LACHESIS_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lachesis");
    // Two hubs may have data sets of the same name.
    const host =
      this.#endpoint === "https://huggingface.co"
        ? "hub"
        : createHash("sha256").update(this.#endpoint).digest("hex").slice(0, 12);
    this.#cache = join(options.cacheDir ?? join(cacheRoot, "datasets"), host);
    this.#signal = options.signal;
  }

  /**
   * The data set at a revision. null is the commit that was `main` at first use on this machine; a branch or tag is asked
   * for each time, and taken from the cache when the hub cannot be reached.
   */
  async resolve(id: string, revision: string | null): Promise<HubDataset> {
    const pin = join(this.#folder(id), "refs", `${encodeURIComponent(revision ?? "@first")}.json`);
    const known = await readPin(pin);
    if (known !== null && (revision === null || COMMIT.test(revision))) return known;
    let found: HubDataset;
    try {
      found = await this.#ask(id, revision ?? "main");
    } catch (error) {
      if (known === null || !(error instanceof LachesisError) || !error.retryable) throw error;
      logger.warn(
        { dataset: id, commit: known.commit, error: error.message },
        "the hub cannot be reached; using the copy in the cache",
      );
      return known;
    }
    await writeWhole(pin, JSON.stringify(found));
    return found;
  }

  /** The path of a file in the cache; downloads it first if it is not there. */
  async download(dataset: HubDataset, file: HubFile): Promise<string> {
    const path = join(this.#folder(dataset.id), dataset.commit, ...file.path.split("/"));
    if (await exists(path)) return path;
    const url = `${this.#endpoint}/datasets/${dataset.id}/resolve/${dataset.commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
    await this.#retrying(`${dataset.id}/${file.path}`, async () => {
      const response = await this.#fetch(url, `the file ${file.path} of the data set ${dataset.id}`);
      await store(response, path, file, url);
    });
    return path;
  }

  async #ask(id: string, revision: string): Promise<HubDataset> {
    const url = `${this.#endpoint}/api/datasets/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const answer = await this.#retrying(id, async () => {
      const response = await this.#fetch(url, `the data set ${id} (revision ${revision})`);
      const value: unknown = await response.json().catch(() => null);
      return value;
    });
    if (!isObject(answer) || typeof answer.sha !== "string" || !Array.isArray(answer.siblings)) {
      throw new LachesisError("malformed_response", `${url}: the answer is none of a Hugging Face hub.`);
    }
    if (!COMMIT.test(answer.sha)) throw new LachesisError("malformed_response", `${url}: the answer names no commit.`);
    return { id, commit: answer.sha, files: answer.siblings.flatMap(hubFile) };
  }

  async #fetch(url: string, what: string): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url, {
        ...(await proxyOptions()),
        headers: this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` },
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
    } catch (error) {
      if (this.#signal?.aborted) throw new LachesisError("cancelled", "The download was cancelled.", { cause: error });
      const cause =
        error instanceof Error && error.cause !== undefined ? errorMessage(error.cause) : errorMessage(error);
      throw new LachesisError(
        "connection",
        `${url}: no connection to the hub: ${cause}. Once downloaded, a data set needs none.`,
        { cause: error },
      );
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw statusError(response.status, what, this.#endpoint, this.#token !== "");
  }

  async #retrying<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof LachesisError) || !error.retryable || attempt >= ATTEMPTS) throw error;
        logger.info({ what, attempt, error: error.message }, "asking the hub again");
        await systemClock.sleep(250 * 4 ** (attempt - 1), this.#signal);
      }
    }
  }

  #folder(id: string): string {
    return join(this.#cache, id.replace("/", "--"));
  }
}

/** The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name. */
async function proxyOptions(): Promise<object> {
  const { env } = process;
  if (!(env.HTTPS_PROXY || env.https_proxy || env.HTTP_PROXY || env.http_proxy)) return {};
  const { EnvHttpProxyAgent } = await import("undici");
  return { dispatcher: new EnvHttpProxyAgent() };
}

/** Writes the body beside its place, checks it, and only then moves it there. */
async function store(response: Response, path: string, file: HubFile, url: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.part`;
  const hash = createHash("sha256");
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    if (response.body === null) throw new LachesisError("malformed_response", `${url}: the answer has no body.`);
    await pipeline(Readable.fromWeb(response.body as never), measure, createWriteStream(temporary));
    if (file.size !== null && bytes !== file.size) {
      throw new LachesisError("connection", `${url}: ${bytes} bytes came, the hub states ${file.size}.`);
    }
    const digest = hash.digest("hex");
    if (file.sha256 !== null && digest !== file.sha256) {
      throw new LachesisError(
        "malformed_response",
        `${url}: the content's SHA-256 is not the one that the hub states.`,
      );
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (error instanceof LachesisError) throw error;
    const full = isErrno(error) && (error.code === "ENOSPC" || error.code === "EDQUOT");
    throw new LachesisError(
      full ? "disk_full" : "connection",
      `${url}: the download broke off: ${errorMessage(error)}.`,
      { cause: error },
    );
  }
}

function hubFile(value: unknown): HubFile[] {
  if (!isObject(value) || typeof value.rfilename !== "string") return [];
  const path = value.rfilename;
  if (
    path.startsWith("/") ||
    path.includes("\\") ||
    path.split("/").some((part) => part === ".." || part === "." || part === "")
  )
    return [];
  const lfs = isObject(value.lfs) ? value.lfs : {};
  return [
    {
      path,
      size: typeof value.size === "number" ? value.size : null,
      sha256: typeof lfs.sha256 === "string" ? lfs.sha256 : null,
    },
  ];
}

function statusError(status: number, what: string, endpoint: string, hasToken: boolean): LachesisError {
  const details = { status };
  if (status === 401 || status === 403) {
    const advice = hasToken
      ? "HF_TOKEN does not give access; accept the data set's terms on its page, or use another token"
      : "it does not exist, or it needs a token: set HF_TOKEN in the environment or .env";
    return new LachesisError("auth", `${endpoint} refused ${what} (${status}): ${advice}.`, { details });
  }
  if (status === 404) {
    return new LachesisError("not_found", `${endpoint} has no such thing: ${what}. Private ones need HF_TOKEN.`, {
      details,
    });
  }
  const code = status === 429 ? "rate_limited" : status >= 500 ? "server_error" : "bad_request";
  return new LachesisError(code, `${endpoint} answered ${status} for ${what}.`, { details });
}

async function readPin(path: string): Promise<HubDataset | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error) && error.code === "ENOENT") return null;
    throw error;
  }
  return JSON.parse(text) as HubDataset;
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.part`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
