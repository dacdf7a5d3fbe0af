import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadDataset } from "./load.ts";

const FIRST = "a".repeat(40);
const SECOND = "b".repeat(40);
const CARD = "---\nlicense: mit\n---\n";

/** A fake of the hub's published routes: revisions, resolve with a redirect to another host for large files. */
class FakeHub {
  main = FIRST;
  /** Content by commit and path. */
  readonly content: Record<string, Record<string, string>> = {
    [FIRST]: { "README.md": CARD, "data/train.jsonl": '{"prompt":"one"}\n', "../evil.jsonl": "{}" },
    [SECOND]: { "README.md": CARD, "data/train.jsonl": '{"prompt":"two"}\n' },
  };
  readonly requests: { path: string; authorization: string | undefined }[] = [];
  readonly storageRequests: (string | undefined)[] = [];
  /** Answers to give before the right one. */
  failures: number[] = [];
  cutBody = false;
  wrongHash = false;
  #servers: Server[] = [];
  url = "";

  async start(): Promise<void> {
    const storage = await this.#listen((request, response) => {
      this.storageRequests.push(request.headers.authorization);
      const body = Buffer.from(decodeURIComponent(request.url!.slice(1)), "base64");
      if (this.cutBody) {
        response.writeHead(200, { "content-length": body.length });
        response.write(body.subarray(0, body.length / 2));
        setTimeout(() => response.destroy(), 5);
      } else response.end(body);
    });
    this.url = await this.#listen((request, response) => {
      const path = request.url!;
      this.requests.push({ path, authorization: request.headers.authorization });
      const failure = this.failures.shift();
      if (failure !== undefined) return response.writeHead(failure).end();
      const api = /^\/api\/datasets\/o\/d\/revision\/([^?]+)/.exec(path);
      if (api !== null) {
        const revision = decodeURIComponent(api[1]!);
        const sha = revision === "main" ? this.main : revision;
        const files = this.content[sha];
        if (files === undefined) return response.writeHead(404).end();
        const siblings = Object.entries(files).map(([rfilename, text]) => ({
          rfilename,
          size: text.length,
          ...(rfilename === "README.md"
            ? {}
            : {
                lfs: {
                  sha256: createHash("sha256")
                    .update(this.wrongHash ? "other" : text)
                    .digest("hex"),
                },
              }),
        }));
        return response.end(JSON.stringify({ id: "o/d", sha, siblings }));
      }
      const resolve = /^\/datasets\/o\/d\/resolve\/([0-9a-f]{40})\/(.+)$/.exec(path);
      const text = resolve === null ? undefined : this.content[resolve[1]!]?.[decodeURIComponent(resolve[2]!)];
      if (text === undefined) return response.writeHead(path.startsWith("/api/datasets/private") ? 401 : 404).end();
      if (path.endsWith("README.md")) return response.end(text);
      return response
        .writeHead(302, { location: `${storage}/${encodeURIComponent(Buffer.from(text).toString("base64"))}` })
        .end();
    });
  }

  async #listen(handler: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(handler as never);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

let hub: FakeHub;
let cacheDir: string;
beforeEach(async () => {
  hub = new FakeHub();
  await hub.start();
  cacheDir = mkdtempSync(join(tmpdir(), "lachesis-hub-"));
});
afterEach(() => hub.stop());

const load = (more: object = {}) =>
  loadDataset({ name: "o/d", endpoint: hub.url, token: "hf_secrettoken", cacheDir, ...more });
const prompts = async (more: object = {}) => (await (await load(more)).rows()).map(({ prompt }) => prompt);

describe("data sets from the hub", () => {
  it("pins the commit, keeps the files, and needs no network afterwards", async () => {
    const first = await load();
    expect(first.revision).toBe(FIRST);
    expect(await first.rows()).toEqual([{ prompt: "one" }]);
    expect(first.files[0]).toContain(FIRST);
    hub.main = SECOND;
    await hub.stop();
    expect(await prompts()).toEqual(["one"]);
    expect(hub.requests.map(({ path }) => path.split("?")[0])).toEqual([
      "/api/datasets/o/d/revision/main",
      `/datasets/o/d/resolve/${FIRST}/README.md`,
      `/datasets/o/d/resolve/${FIRST}/data/train.jsonl`,
    ]);
  });

  it("asks for a branch each time, falls back to the cache, and takes a commit as it is", async () => {
    expect(await prompts({ revision: "main" })).toEqual(["one"]);
    hub.main = SECOND;
    expect(await prompts({ revision: "main" })).toEqual(["two"]);
    expect(await prompts({ revision: FIRST })).toEqual(["one"]);
    await hub.stop();
    expect(await prompts({ revision: "main" })).toEqual(["two"]);
    expect(await prompts({ revision: FIRST })).toEqual(["one"]);
  });

  it("sends the token to the hub only, never to the storage it redirects to", async () => {
    await prompts();
    expect(hub.requests.every(({ authorization }) => authorization === "Bearer hf_secrettoken")).toBe(true);
    expect(hub.storageRequests).toEqual([undefined]);
  });

  it("tries again after 503 and 429, and says what 401 and 404 mean", async () => {
    hub.failures = [503, 429];
    expect(await prompts()).toEqual(["one"]);
    await expect(load({ name: "private/x" })).rejects.toMatchObject({ code: "auth" });
    await expect(load({ name: "private/x", token: "" })).rejects.toThrow(/set HF_TOKEN/);
    await expect(load({ revision: "nope" })).rejects.toMatchObject({ code: "not_found" });
    await expect(load({ split: "test" })).rejects.toThrow(/no split "test"/);
  });

  it("never keeps a download that broke off or is another content", async () => {
    hub.cutBody = true;
    await expect(load()).rejects.toMatchObject({ code: "connection" });
    hub.cutBody = false;
    expect(await prompts()).toEqual(["one"]);
    hub.wrongHash = true;
    await expect(load({ revision: SECOND })).rejects.toThrow(/SHA-256/);
    const kept = readdirSync(cacheDir, { recursive: true }).map(String);
    expect(kept.filter((path) => path.endsWith(".part") || path.includes("evil"))).toEqual([]);
  });

  it("names the file when neither a path nor an id fits, and the connection when the hub is away", async () => {
    await expect(load({ name: "no/such/file.jsonl" })).rejects.toMatchObject({ code: "not_found" });
    await expect(load({ name: "rows.jsonl" })).rejects.toThrow(/no such file or folder/);
    await hub.stop();
    await expect(load()).rejects.toMatchObject({ code: "connection" });
  });
});
