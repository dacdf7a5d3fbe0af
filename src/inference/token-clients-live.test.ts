/** The token-level clients against the embedded model over HTTP: a real model gives the same over every protocol. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { embeddedHttp } from "./embedded/http/http-server.ts";
import { EmbeddedServer, embeddedModelFolder } from "./embedded/index.ts";
import { ServerManager } from "./server-manager.ts";

let model: EmbeddedServer;
let http: ReturnType<typeof embeddedHttp>;
let address = "";

beforeAll(async () => {
  model = await EmbeddedServer.open({ model: embeddedModelFolder("tiny") });
  http = embeddedHttp(model);
  address = await http.listen({ port: 0, host: "127.0.0.1" });
});

afterAll(async () => {
  await http.close();
  await model.close();
});

const prompt = [5, 6, 7, 8];
const request = { prompt_token_ids: prompt, max_tokens: 6, temperature: 0 };

test.each(["vllm", "sglang"] as const)("%s", async (server_type) => {
  const manager = new ServerManager(
    { base_url: `${address}/v1`, server_type, model_name: "tiny", timeout: 30 },
    { env: {} },
  );
  try {
    await manager.waitUntilHealthy();
    const here = await model.generate(request);
    const there = await manager.generate(request);
    expect(there.completions[0]?.tokens).toEqual(here.completions[0]?.tokens);
    for (const [place, logprob] of there.completions[0]!.logprobs.entries()) {
      expect(logprob).toBeCloseTo(here.completions[0]!.logprobs[place]!, 5);
    }
    expect(await manager.generate({ ...request, n: 3 })).toHaveProperty("completions.length", 3);
    const top = await manager.promptLogprobs(prompt, 2);
    expect(top.prompt_topk_token_ids).toEqual((await model.promptLogprobs(prompt, 2)).prompt_topk_token_ids);
  } finally {
    await manager.close();
  }
});
