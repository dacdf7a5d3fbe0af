/** Servers that refuse what others take: learnt once, the request made again in their words; over real HTTP. */
import { afterEach, describe, expect, test } from "vitest";
import {
  call,
  type OpenAIServer,
  type Reply,
  refuses,
  type Script,
  says,
  startOpenAIServer,
} from "../../tests/support/openai-server.ts";
import type { ChatMessage } from "../core/index.ts";
import type { ServerConfigInput } from "./server-config.ts";
import { ServerManager } from "./server-manager.ts";

const open: { server: OpenAIServer; manager: ServerManager }[] = [];

async function pair(script: Script, config: ServerConfigInput = {}) {
  const server = await startOpenAIServer(script);
  const manager = new ServerManager(
    { base_url: server.baseUrl, model_name: "m", ...config },
    { retry: { baseMs: 1, maxMs: 2 }, env: {} },
  );
  open.push({ server, manager });
  return { server, manager };
}

afterEach(async () => {
  for (const { server, manager } of open.splice(0)) {
    await manager.close();
    await server.stop().catch(() => undefined);
  }
});

const user: ChatMessage = { role: "user", content: "Hi" };
const fastapi = (...loc: unknown[]): Reply => ({
  kind: "json",
  status: 422,
  body: {
    detail: [{ type: "extra_forbidden", loc: ["body", ...loc], msg: "Extra inputs are not permitted", input: 1 }],
  },
});
const openai = (param: string, message: string): Reply => ({
  kind: "json",
  status: 400,
  body: { error: { message, type: "invalid_request_error", param, code: "unsupported_parameter" } },
});

describe("a field that is refused", () => {
  const words: Record<string, (field: string) => Reply> = {
    "by name and code": (field) => openai(field, "Nope."),
    "as FastAPI does": (field) => fastapi(field),
    "as unknown": (field) => refuses(400, `Unrecognized request argument supplied: ${field}`),
    "as unsupported": (field) => refuses(400, `property '${field}' is unsupported`),
    "as an unknown name": (field) =>
      refuses(400, `Invalid JSON payload received. Unknown name "${field}": Cannot find field.`),
    "in plain text": (field) => ({ kind: "text", status: 400, body: `${field}: extra fields not permitted` }),
  };
  test.each(Object.entries(words))("%s", async (_name, refusal) => {
    const refused = ["seed", "temperature"];
    const { server, manager } = await pair(({ body }) => {
      const field = refused.find((name) => name in body);
      return field === undefined ? says("ok") : refusal(field);
    });
    const request = { messages: [user], seed: 4, temperature: 0, max_tokens: 5 };
    const { choices, attempts } = await manager.chatCompletion(request);
    expect([choices[0]?.message.content, attempts]).toEqual(["ok", 1]);
    expect(server.requests).toHaveLength(3);
    await manager.chatCompletion(request);
    expect(server.requests).toHaveLength(4);
    expect(server.requests[3]?.body).toEqual({ model: "m", messages: [user], max_tokens: 5 });
  });

  test("the user's own stays, and the refusal is shown", async () => {
    const { server, manager } = await pair(() => refuses(400, "seed is not supported"), { extra_body: { seed: 1 } });
    await expect(manager.chatCompletion({ messages: [user] })).rejects.toMatchObject({ code: "bad_request" });
    expect(server.requests).toHaveLength(1);
  });

  test("a refusal that lasts is shown after as many words as there are, and nothing is learnt from it", async () => {
    const { server, manager } = await pair(() => refuses(400, "seed, temperature, max_tokens: not supported"));
    const request = { messages: [user], seed: 4, temperature: 0, max_tokens: 5 };
    await expect(manager.chatCompletion(request)).rejects.toMatchObject({ code: "bad_request" });
    expect(server.requests).toHaveLength(4);
    server.script = () => says("ok");
    await manager.chatCompletion(request);
    expect(server.requests[4]?.body).toEqual({ model: "m", ...request });
  });

  test("max_tokens without a word on max_completion_tokens; a limit on it is no refusal of the field", async () => {
    const { server, manager } = await pair(({ body }) =>
      "max_tokens" in body ? openai("max_tokens", "Unsupported parameter: 'max_tokens'.") : says("ok"),
    );
    await manager.chatCompletion({ messages: [user], max_tokens: 9 });
    expect(server.requests[1]?.body).toMatchObject({ max_completion_tokens: 9 });
    const limited = await pair(() => openai("", "max_tokens is too large: 9. Supported: at most 8."));
    await expect(limited.manager.chatCompletion({ messages: [user], max_tokens: 9 })).rejects.toThrow("too large");
    expect(limited.server.requests).toHaveLength(1);
  });

  test("n: one choice a call from then on", async () => {
    const { server, manager } = await pair(({ body }) =>
      "n" in body ? refuses(400, "'n' is not supported") : says("ok", { count: 1 }),
    );
    expect((await manager.chatCompletion({ messages: [user], n: 3 })).choices).toHaveLength(3);
    expect(server.requests.filter(({ body }) => "n" in body)).toHaveLength(1);
    expect((await manager.chatCompletion({ messages: [user], n: 2 })).choices).toHaveLength(2);
    expect(server.requests.filter(({ body }) => "n" in body)).toHaveLength(1);
  });
});

describe("the form of the history", () => {
  const history = (content: string | null): ChatMessage[] => [
    user,
    { role: "assistant", content, tool_calls: [call("a", "f", "{}")] as ChatMessage["tool_calls"] & object },
    { role: "tool", tool_call_id: "a", name: "f", content: "x" },
  ];
  const sent = (server: OpenAIServer) => server.requests.at(-1)?.body.messages as ChatMessage[];

  test("content beside calls: null or empty, as the server takes it", async () => {
    const noNull = await pair(({ body }) =>
      (body.messages as ChatMessage[])[1]?.content === null
        ? refuses(400, "messages[1].content: expected string, received null")
        : says("ok"),
    );
    await noNull.manager.chatCompletion({ messages: history(null) });
    expect(sent(noNull.server)[1]?.content).toBe("");
    const noEmpty = await pair(({ body }) =>
      (body.messages as ChatMessage[])[1]?.content === ""
        ? refuses(400, "messages: text content blocks must be non-empty")
        : says("ok"),
    );
    await noEmpty.manager.chatCompletion({ messages: history("") });
    expect(sent(noEmpty.server)[1]?.content).toBeNull();
  });

  test("names of tool messages", async () => {
    const { server, manager } = await pair(({ body }) =>
      (body.messages as ChatMessage[]).some(({ name }) => name !== undefined)
        ? fastapi("messages", 2, "tool", "name")
        : says("ok"),
    );
    const messages = history("");
    await manager.chatCompletion({ messages });
    expect(sent(server)[2]).toEqual({ role: "tool", tool_call_id: "a", content: "x" });
    expect(messages[2]?.name).toBe("f");
  });
});

test("a body that is too large is a conversation that is too long", async () => {
  for (const reply of [refuses(413, "Request too large"), { kind: "text", status: 413, body: "<html>" } as const]) {
    const { server, manager } = await pair(() => reply);
    await expect(manager.chatCompletion({ messages: [user] })).rejects.toMatchObject({ code: "context_overflow" });
    expect(server.requests).toHaveLength(1);
  }
});
