/** The proxy before the real embedded model: what is captured over HTTP are the tokens and log-probabilities that it gave. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MASKED } from "../../tokens/index.ts";
import { EmbeddedServer } from "../embedded/index.ts";
import { type SessionProxy, startProxy } from "./index.ts";
import { clientOf } from "./scripted-model.fixture.ts";

let proxy: SessionProxy;
let model: EmbeddedServer;

beforeAll(async () => {
  [proxy, model] = await Promise.all([startProxy({ servers: { server_type: "embedded" } }), EmbeddedServer.open()]);
});
afterAll(async () => {
  await proxy.close();
  await model.close();
});

type Message = { role: string; content: string | null; tool_calls?: { id: string }[] };

describe("sessions with the embedded model", () => {
  it("side by side keep their own tokens, whose log-probabilities can be recomputed", async () => {
    const parameters = { type: "object", properties: { path: { type: "string" }, content: { type: "string" } } };
    const tools = [{ type: "function", function: { name: "write_file", description: "Writes a file", parameters } }];
    const rollout = async (word: string) => {
      const client = await clientOf(proxy);
      const messages: Message[] = [{ role: "user", content: `Write ${word} into ${word}.txt` }];
      for (let turn = 0; turn < 3; turn++) {
        const body = { messages, tools, max_tokens: 48, seed: turn };
        const { choices } = (await client.ask("chat/completions", body)) as { choices: { message: Message }[] };
        const { message } = choices[0]!;
        messages.push(message);
        for (const { id } of message.tool_calls ?? [])
          messages.push({ role: "tool", tool_call_id: id, content: "ok" } as Message);
        if (!message.tool_calls?.length) messages.push({ role: "user", content: "Go on." });
      }
      return client.session.sequences();
    };
    const found = await Promise.all(["apple", "river", "stone"].map(rollout));
    for (const { sequences, drift } of found) {
      expect(drift).toMatchObject({ calls: 3, extended: 2 });
      expect(sequences).toHaveLength(1);
      const { tokens, masks, inference_logprobs } = sequences[0]!;
      const { prompt_logprobs } = await model.promptLogprobs(tokens, 1);
      const trained = masks.flatMap((mask, at) => (mask === MASKED ? [] : [at]));
      expect(trained.length).toBeGreaterThan(3);
      for (const at of trained) expect(Math.abs(inference_logprobs![at]! - prompt_logprobs[at]!)).toBeLessThan(1e-4);
    }
  });
});
