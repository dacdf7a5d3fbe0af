/** A plain OpenAI server gives no tokens: with `allow_rendered_tokens` the rows are the template's, and say so. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import TerminalTestEnv from "../environments/terminal-test/env.ts";
import { loadTokenizer } from "../src/tokens/index.ts";
import { runEnvironment } from "./support/run-environment.ts";

const TINY = fileURLToPath(new URL("../models/tiny", import.meta.url));

test("rendered tokens from the command to groups.jsonl", { timeout: 180_000 }, async () => {
  const server = createServer((_request, response) => {
    const body = {
      id: "x",
      object: "chat.completion",
      created: 1,
      model: "m",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "I cannot do that." } }],
      usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 },
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const { code, lines } = await runEnvironment(TerminalTestEnv, {
      env: { total_steps: 1, group_size: 2, ensure_scores_are_not_same: false, allow_rendered_tokens: true },
      openai: {
        server_type: "openai",
        base_url: `http://127.0.0.1:${port}/v1`,
        model_name: "m",
        tokenizer_name: TINY,
        api_key: "x",
      },
    });
    expect(code).toBe(0);
    const tokenizer = await loadTokenizer(TINY);
    const groups = lines("groups.jsonl");
    expect(groups).toHaveLength(1);
    const { token_source, inference_logprobs, tokens, masks } = groups[0] as unknown as {
      token_source: string;
      inference_logprobs: unknown;
      tokens: number[][];
      masks: number[][];
    };
    expect(token_source).toBe("rendered");
    expect(inference_logprobs ?? null).toBeNull();
    expect(tokens).toHaveLength(2);
    tokens.forEach((row, index) => {
      const trained = row.filter((_, position) => masks[index]![position] !== -100);
      expect(tokenizer.decode(trained)).toBe("I cannot do that.<|im_end|>");
    });
  } finally {
    server.close();
  }
});
