/**
 * The token-level clients against fakes written from the published protocols of vLLM, SGLang and TRL. The fakes sample
 * nothing: the ids and log-probabilities of their answers are fixed, so that any that are lost or shifted are seen.
 */
import { afterEach, describe, expect, test } from "vitest";
import {
  type OpenAIServer,
  type ReceivedRequest,
  type Reply,
  refuses,
  startOpenAIServer,
} from "../../tests/support/openai-server.ts";
import type { ServerConfigInput, ServerType } from "./server-config.ts";
import { ServerManager } from "./server-manager.ts";

const open: { server: OpenAIServer; manager: ServerManager }[] = [];
type Routes = Record<string, (request: ReceivedRequest) => Reply>;

const json = (body: unknown): Reply => ({ kind: "json", body });
const missing: Reply = { kind: "json", status: 404, body: { detail: "Not Found" } };

/** A fake that has these routes; an empty body is refused, as a schema would. */
async function fake(type: ServerType, routes: Routes, config: ServerConfigInput = {}) {
  const server = await startOpenAIServer((request) => {
    const route = routes[request.path];
    if (route === undefined) return missing;
    return Object.keys(request.body).length === 0 ? refuses(422, "field required") : route(request);
  });
  const manager = new ServerManager(
    { base_url: server.baseUrl, server_type: type, model_name: "m", max_retries: 1, timeout: 10, ...config },
    { env: {}, retry: { baseMs: 1, maxMs: 2 } },
  );
  open.push({ server, manager });
  return { server, manager };
}

afterEach(async () => {
  for (const { server, manager } of open.splice(0)) {
    await manager.close();
    await server.stop();
  }
});

const TOKENS = [11, 12, 13];
const LOGPROBS = [-0.5, -0.25, 0];
const asked = { prompt_token_ids: [1, 2], temperature: 0.7, max_tokens: 3, stop_token_ids: [13], seed: 5 };
const expected = [{ tokens: TOKENS, logprobs: LOGPROBS, finish_reason: "stop", weight_version: null }];

const vllmCustom: Routes = {
  "/generate": ({ body }) =>
    json({
      text: ["abc"],
      prompt: "p",
      prompt_token_ids: [1, 2],
      finish_reasons: Array(Number(body.n ?? 1)).fill("stop"),
      token_ids: Array(Number(body.n ?? 1)).fill(TOKENS),
      logprobs: Array(Number(body.n ?? 1)).fill(TOKENS.map((id, place) => [{ [id]: LOGPROBS[place] }])),
      ...(body.prompt_logprobs ? { prompt_logprobs: [null, { 2: -1, 7: -0.1 }] } : {}),
    }),
};
const vllmTokens: Routes = {
  "/inference/v1/generate": ({ body }) =>
    json({
      request_id: "r",
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          token_ids: TOKENS,
          logprobs: { content: TOKENS.map((id, place) => ({ token: `token_id:${id}`, logprob: LOGPROBS[place] })) },
        },
      ],
      prompt_logprobs: (body.sampling_params as { prompt_logprobs?: number }).prompt_logprobs
        ? [null, { 2: { logprob: -1, rank: 2 }, 7: { logprob: -0.1, rank: 1 } }]
        : null,
    }),
};
const vllmCompletions: Routes = {
  "/v1/completions": ({ body }) =>
    json({
      choices: [
        {
          index: 0,
          text: "abc",
          finish_reason: "stop",
          token_ids: TOKENS,
          prompt_token_ids: [1, 2],
          logprobs: { token_logprobs: LOGPROBS },
          prompt_logprobs: body.prompt_logprobs ? [null, { 2: { logprob: -1 }, 7: { logprob: -0.1 } }] : null,
        },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 3 },
    }),
};

describe("vllm", () => {
  const dialects: [string, Routes, Record<string, unknown>][] = [
    [
      "/generate",
      { ...vllmCustom, ...vllmCompletions },
      {
        prompt: { prompt_token_ids: [1, 2] },
        logprobs: 0,
        temperature: 0.7,
        max_tokens: 3,
        seed: 5,
        stop_token_ids: [13],
      },
    ],
    [
      "/inference/v1/generate",
      { ...vllmTokens, ...vllmCompletions },
      {
        model: "m",
        token_ids: [1, 2],
        sampling_params: { logprobs: 1, temperature: 0.7, max_tokens: 3, seed: 5, stop_token_ids: [13] },
      },
    ],
    [
      "/v1/completions",
      vllmCompletions,
      {
        model: "m",
        prompt: [1, 2],
        logprobs: 1,
        return_token_ids: true,
        temperature: 0.7,
        max_tokens: 3,
        seed: 5,
        stop_token_ids: [13],
      },
    ],
  ];

  test.each(dialects)("%s", async (path, routes, body) => {
    const { server, manager } = await fake("vllm", routes);
    const answers = await Promise.all([manager.generate(asked), manager.generate(asked)]);
    for (const answer of answers) expect(answer.completions).toEqual(expected);
    expect(answers[0]?.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
    const real = server.requests.filter((request) => Object.keys(request.body).length > 0);
    expect(real.map((request) => request.path)).toEqual([path, path]);
    expect(real[0]?.body).toEqual(body);
    const probes = server.requests.length - real.length;
    await manager.generate(asked);
    expect(server.requests.length).toBe(real.length + probes + 1);
  });

  test.each(dialects)("prompt log-probabilities over %s", async (_path, routes) => {
    const { manager } = await fake("vllm", routes);
    expect(await manager.promptLogprobs([1, 2], 2)).toEqual({
      prompt_tokens: [1, 2],
      prompt_topk_token_ids: [[], [7, 2]],
      prompt_topk_logprobs: [[], [-0.1, -1]],
    });
  });

  test("without a limit none is asked for: the server's default of 16 would cut answers", async () => {
    const { server, manager } = await fake("vllm", vllmCustom);
    await manager.generate({ prompt_token_ids: [1] });
    expect(server.requests.at(-1)?.body).toEqual({ prompt: { prompt_token_ids: [1] }, logprobs: 0, max_tokens: null });
  });

  test("n is split", async () => {
    const { manager } = await fake("vllm", vllmCustom);
    expect((await manager.generate({ ...asked, n: 10 })).completions).toHaveLength(10);
  });

  test("a version of the weights is kept", async () => {
    const routes: Routes = {
      "/generate": () =>
        json({ token_ids: [[1]], logprobs: [[[{ 1: -1 }]]], finish_reasons: ["length"], weight_version: "12" }),
    };
    const { manager } = await fake("vllm", routes);
    expect((await manager.generate(asked)).completions).toEqual([
      { tokens: [1], logprobs: [-1], finish_reason: "length", weight_version: 12 },
    ]);
  });

  test.each<[string, unknown]>([
    ["a log-probability is missing", { token_ids: [[1, 2]], logprobs: [[[{ 1: -1 }]]], finish_reasons: ["stop"] }],
    ["the log-probability of another token", { token_ids: [[1]], logprobs: [[[{ 2: -1 }]]], finish_reasons: ["stop"] }],
    ["a positive log-probability", { token_ids: [[1]], logprobs: [[[{ 1: 3 }]]], finish_reasons: ["stop"] }],
    ["ids that are no numbers", { token_ids: [["a"]], logprobs: [[[{ a: -1 }]]], finish_reasons: ["stop"] }],
    ["nothing", {}],
  ])("malformed: %s", async (_name, body) => {
    const { server, manager } = await fake("vllm", { "/generate": () => json(body) });
    await expect(manager.generate(asked)).rejects.toMatchObject({ code: "malformed_response" });
    expect(server.requests).toHaveLength(3);
  });

  test("a gateway's error while looking for the route decides nothing", async () => {
    const { server, manager } = await fake("vllm", vllmTokens);
    const usual = server.script;
    let failures = 1;
    server.script = (request) => (failures-- > 0 ? refuses(502, "bad gateway") : usual(request));
    expect((await manager.generate(asked)).completions).toEqual(expected);
    expect(server.requests.at(-1)?.path).toBe("/inference/v1/generate");
  });

  test("no route at all, and an old version without ids", async () => {
    const { manager } = await fake("vllm", {});
    await expect(manager.generate(asked)).rejects.toMatchObject({ code: "model_not_found" });
    const { manager: old } = await fake("vllm", {
      "/v1/completions": () => json({ choices: [{ text: "x", logprobs: { token_logprobs: [-1] } }] }),
    });
    await expect(old.generate(asked)).rejects.toThrow(/0\.10\.2/);
  });
});

describe("sglang", () => {
  const meta = {
    output_token_logprobs: TOKENS.map((id, place) => [LOGPROBS[place], id, null]),
    finish_reason: { type: "stop", matched: 13 },
    cached_tokens: 1,
    weight_version: "default",
  };

  test("one answer, several, and what is asked", async () => {
    const { server, manager } = await fake("sglang", {
      "/generate": ({ body }) => {
        const { n } = body.sampling_params as { n?: number };
        return json(n ? Array(n).fill({ meta_info: meta }) : { meta_info: { ...meta, finish_reason: "stop" } });
      },
    });
    const answer = await manager.generate(asked);
    expect(answer.completions).toEqual(expected);
    expect(answer.usage.cached_tokens).toBe(1);
    expect(server.requests[0]?.body).toEqual({
      input_ids: [1, 2],
      sampling_params: { temperature: 0.7, stop_token_ids: [13], max_new_tokens: 3 },
      return_logprob: true,
      return_text_in_logprobs: false,
    });
    expect((await manager.generate({ ...asked, n: 2 })).completions).toEqual([...expected, ...expected]);
  });

  test("prompt log-probabilities, and a generation that was aborted", async () => {
    const { manager } = await fake("sglang", {
      "/generate": ({ body }) =>
        json({
          meta_info: body.top_logprobs_num
            ? {
                input_top_logprobs: [
                  null,
                  [
                    [-0.1, 7, null],
                    [-1, 2, null],
                  ],
                ],
              }
            : { ...meta, finish_reason: { type: "abort", message: "x" } },
        }),
    });
    expect((await manager.promptLogprobs([1, 2], 2)).prompt_topk_token_ids).toEqual([[], [7, 2]]);
    await expect(manager.generate(asked)).rejects.toMatchObject({ code: "server_error" });
  });
});

describe("trl", () => {
  test("ids and log-probabilities where the server gives them", async () => {
    const { server, manager } = await fake("trl", {
      "/generate/": () =>
        json({ prompt_ids: [[1, 2]], completion_ids: [TOKENS], logprobs: [LOGPROBS.map((value) => [value])] }),
    });
    expect((await manager.generate({ ...asked, max_tokens: 9 })).completions).toEqual(expected);
    expect((await manager.generate(asked)).completions[0]?.finish_reason).toBe("length");
    expect(server.requests[0]?.body).toEqual({
      prompts: [[1, 2]],
      n: 1,
      repetition_penalty: 1,
      temperature: 0.7,
      top_p: 1,
      top_k: -1,
      min_p: 0,
      max_tokens: 9,
    });
  });

  test("without log-probabilities none are made up", async () => {
    const { server, manager } = await fake("trl", { "/generate/": () => json({ completion_ids: [TOKENS] }) });
    await expect(manager.generate(asked)).rejects.toMatchObject({ code: "unsupported" });
    expect(server.requests).toHaveLength(1);
  });
});

test("a plain OpenAI server gives no tokens", async () => {
  const { manager } = await fake("openai", {});
  expect(manager.givesTokens).toBe(false);
  await expect(manager.generate(asked)).rejects.toMatchObject({ code: "unsupported" });
});
