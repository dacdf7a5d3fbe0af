/** `lachesis proxy` as a process: its first line, a session, its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../main.fixture.ts", import.meta.url));
let child: ChildProcess | null = null;
afterEach(() => {
  child?.kill("SIGKILL");
});

function start(...flags: string[]) {
  const started = spawn(process.execPath, [MAIN, "proxy", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  child = started;
  let errors = "";
  started.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  return { started, errors: () => errors };
}

it("answers with the embedded model where no server is named, and ends on SIGTERM", async () => {
  const { started, errors } = start("--port", "0");
  const [line] = await once(createInterface({ input: started.stdout! }), "line");
  const { listening } = JSON.parse(line);
  expect(errors()).toContain("the embedded model answers");
  const headers = { "content-type": "application/json" };
  const made = await fetch(`${listening}/sessions/create`, { method: "POST", headers, body: "{}" });
  const { base_url, api_key } = (await made.json()) as { base_url: string; api_key: string };
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 4 });
  const withKey = { ...headers, authorization: `Bearer ${api_key}` };
  const answer = await fetch(`${base_url}/chat/completions`, { method: "POST", headers: withKey, body });
  expect(await answer.json()).toMatchObject({
    object: "chat.completion",
    usage: { completion_tokens: expect.any(Number) },
  });
  started.kill("SIGTERM");
  expect(await once(started, "exit")).toEqual([0, null]);
  expect(errors()).not.toContain(api_key);
});

it("refuses what it does not know before it listens", async () => {
  for (const flags of [
    ["--openai.base_ur", "x"],
    ["--port", "70000"],
    ["--tool-parser", "hermse"],
    ["--env.group_size", "2"],
  ]) {
    const { started, errors } = start(...flags);
    expect(await once(started, "exit")).toEqual([2, null]);
    expect(errors()).toMatch(/base_url|--port|hermes|servers only/);
  }
});
