import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadTokenizer } from "./load-tokenizer.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const FILES: Record<string, string> = {
  "tokenizer.json": JSON.stringify({
    added_tokens: [],
    model: { type: "WordLevel", vocab: { a: 0, b: 1, "<unk>": 2 }, unk_token: "<unk>" },
    pre_tokenizer: { type: "WhitespaceSplit" },
  }),
  "tokenizer_config.json": JSON.stringify({ chat_template: "old", eos_token: "b" }),
  "chat_template.jinja": "{% for m in messages %}{{ m.content }} {% endfor %}",
  "additional_chat_templates/tool_use.jinja": "tools",
  "model.safetensors": "must not be fetched",
};

let folder: string;
let server: Server;
let requests: IncomingMessage[];
let answer: (path: string) => { status: number; body: string };
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lachesis-hub-"));
  requests = [];
  answer = (path) => {
    if (path === "/api/models/org/tiny/revision/main" || path === `/api/models/org/tiny/revision/${COMMIT}`) {
      const siblings = Object.keys(FILES).map((rfilename) => ({ rfilename }));
      return { status: 200, body: JSON.stringify({ sha: COMMIT, siblings }) };
    }
    const file = path.replace(`/org/tiny/resolve/${COMMIT}/`, "");
    return file in FILES ? { status: 200, body: FILES[file]! } : { status: 404, body: "" };
  };
  server = createServer((request, response) => {
    requests.push(request);
    const { status, body } = answer(request.url!);
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  env = {
    HF_HOME: folder,
    HF_TOKEN: "hf_test_token",
    HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
  };
});

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const paths = (): string[] => requests.map((request) => request.url!);

describe("from the hub", () => {
  test("fetches the tokenizer's files only, at the commit, with the token", async () => {
    const tokenizer = await loadTokenizer("org/tiny", { env });
    expect(tokenizer.encode("a b c")).toEqual([0, 1, 2]);
    expect(tokenizer.source).toBe(`org/tiny@${COMMIT}`);
    expect(tokenizer.applyChatTemplate([{ role: "user", content: "b" }])).toEqual({ text: "b ", ids: [1] });
    expect(tokenizer.renderChat([{ role: "user", content: "b" }], { tools: [] })).toBe("tools");
    expect(paths().some((path) => path.includes("safetensors"))).toBe(false);
    expect(requests.every((request) => request.headers.authorization === "Bearer hf_test_token")).toBe(true);
  });

  test("keeps them in the layout of Python's cache, and does not fetch them again", async () => {
    await loadTokenizer("org/tiny", { env });
    const home = join(folder, "hub", "models--org--tiny");
    expect(await readFile(join(home, "refs", "main"), "utf8")).toBe(COMMIT);
    expect(await readFile(join(home, "snapshots", COMMIT, "chat_template.jinja"), "utf8")).toBe(
      FILES["chat_template.jinja"],
    );
    requests = [];
    await loadTokenizer("org/tiny", { env });
    expect(paths()).toEqual(["/api/models/org/tiny/revision/main"]);
    requests = [];
    await loadTokenizer("org/tiny", { env, revision: COMMIT });
    expect(paths()).toEqual([]);
  });

  test("goes on with the cache when the hub fails or is not to be asked", async () => {
    await loadTokenizer("org/tiny", { env });
    answer = () => ({ status: 503, body: "" });
    expect((await loadTokenizer("org/tiny", { env })).encode("a")).toEqual([0]);
    requests = [];
    await loadTokenizer("org/tiny", { env: { ...env, HF_HUB_OFFLINE: "1" } });
    expect(paths()).toEqual([]);
  });

  test.each([
    ["an unknown model", "org/none", /404/],
    ["a name with dots", "../etc", /neither a folder nor a hub id/],
  ])("%s is a tokenizer_error", async (_what, id, message) => {
    await expect(loadTokenizer(id, { env })).rejects.toMatchObject({
      code: "tokenizer_error",
      message: expect.stringMatching(message),
    });
  });

  test("a refusal says what to set, and never shows the token", async () => {
    answer = () => ({ status: 401, body: "" });
    const refused = loadTokenizer("org/tiny", { env: { ...env, HF_TOKEN: "" } });
    await expect(refused).rejects.toMatchObject({
      code: "tokenizer_error",
      message: expect.stringMatching(/HF_TOKEN/),
    });
    await expect(loadTokenizer("org/tiny", { env })).rejects.not.toThrow(/hf_test_token/);
  });

  test("offline without a cache, and a broken answer, are tokenizer_errors", async () => {
    const offline = loadTokenizer("org/tiny", { env: { ...env, HF_HUB_OFFLINE: "1" } });
    await expect(offline).rejects.toMatchObject({ code: "tokenizer_error" });
    answer = () => ({ status: 200, body: JSON.stringify({ sha: "../../x", siblings: [] }) });
    await expect(loadTokenizer("org/tiny", { env })).rejects.toMatchObject({ code: "tokenizer_error" });
  });
});

describe("from a folder", () => {
  test("needs tokenizer.json alone", async () => {
    await writeFile(join(folder, "tokenizer.json"), FILES["tokenizer.json"]!);
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.encode("b")).toEqual([1]);
    expect(() => tokenizer.applyChatTemplate([{ role: "user", content: "" }])).toThrow(
      expect.objectContaining({ code: "template_error" }),
    );
  });

  test.each([
    ["nothing", null, /no tokenizer\.json/],
    ["no JSON", "{", /not JSON/],
    ["no model", "{}", /no model/],
    ["an unknown model", '{"model": {"type": "X"}}', /model X is not known/],
    ["a bad merge", '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}', /merge 0/],
    ["a bad id", '{"model": {"type": "WordLevel", "vocab": {"a": "0"}}}', /not an id/],
  ])("with %s is a tokenizer_error", async (_what, content, message) => {
    const home = join(folder, "broken");
    await mkdir(home);
    if (content !== null) await writeFile(join(home, "tokenizer.json"), content);
    await expect(loadTokenizer(home)).rejects.toMatchObject({
      code: "tokenizer_error",
      message: expect.stringMatching(message),
    });
  });
});
