/** Ten rollouts at once on a server that is killed, comes back and takes other weights: no token is lost or mislabelled. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { ChatMessage } from "../src/core/index.ts";
import { ServerManager, type TokenServer } from "../src/inference/index.ts";
import { Session } from "../src/inference/sessions/index.ts";
import { loadTokenizer, MASKED, type TrainingSequence } from "../src/tokens/index.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const started: ChildProcessByStdio<null, Readable, null>[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

async function serve(port = "0") {
  const child = spawn(process.execPath, [path("src/cli/main.fixture.ts"), "model", "serve", "--port", port], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, url: (JSON.parse(line) as { listening: string }).listening };
}

test("a killed server and a change of weights", { timeout: 180_000 }, async () => {
  const tokenizer = await loadTokenizer(path("models/tiny"));
  const first = await serve();
  const manager = new ServerManager(
    { base_url: `${first.url}/v1`, server_type: "vllm", model_name: "tiny", timeout: 60, max_retries: 12 },
    { env: {} },
  );
  const post = async (weights: string) => {
    const body = JSON.stringify({ path: path(weights) });
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${first.url}/load`, { method: "POST", headers, body })).status).toBe(200);
  };
  const got: string[] = [];
  const watched: TokenServer = {
    async generate(request) {
      const result = await manager.generate(request);
      for (const { tokens, logprobs, weight_version } of result.completions)
        got.push(JSON.stringify([request.prompt_token_ids.length, tokens, logprobs, weight_version]));
      return result;
    },
    promptLogprobs: (...args) => manager.promptLogprobs(...args),
  };
  try {
    const sessions = Array.from({ length: 10 }, () => new Session({ server: watched, tokenizer, model: "tiny" }));
    const running = sessions.map(async (session, index) => {
      const messages: ChatMessage[] = [{ role: "user", content: `Count to ${index}.` }];
      for (let turn = 0; turn < 5; turn++) {
        const { choices } = await session.chatCompletion({ messages, max_tokens: 24, seed: index * 10 + turn });
        messages.push(choices[0]!.message, { role: "user", content: `and ${turn}` });
      }
    });
    const all = Promise.all(running);
    const reached = async (count: number) => {
      while (got.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await Promise.race([all, reached(12)]);
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    await serve(new URL(first.url).port);
    await Promise.race([all, reached(28)]);
    await post("models/tiny/half-trained");
    await all;

    expect(got).toHaveLength(50);
    const nodes = sessions.flatMap(({ graph }) =>
      graph.nodes.flatMap((node) =>
        node.kind === "sampled"
          ? [
              JSON.stringify([
                graph.pathTokens(node).length - node.tokens.length,
                node.tokens,
                node.logprobs,
                node.weightVersion,
              ]),
            ]
          : [],
      ),
    );
    expect(nodes.sort()).toEqual([...got].sort());
    const sequences = sessions.flatMap((session) => session.sequences().map((sequence) => ({ session, sequence })));
    const trained = sequences.flatMap(({ sequence }) => sequence.masks.filter((mask) => mask !== MASKED));
    expect(trained).toHaveLength(
      got.reduce((sum, line) => sum + (JSON.parse(line) as [number, number[]])[1].length, 0),
    );
    const versions = new Set(got.map((line) => (JSON.parse(line) as unknown[])[3]));
    expect([...versions].sort()).toEqual([1, 2]);

    // The label is right: only the weights of that version give the stored log-probabilities.
    const check = async (version: number) => {
      for (const { session, sequence } of sequences) {
        const [oldest, newest] = sequence.weight_versions!;
        if (version < oldest || version > newest) continue;
        const top = await manager.promptLogprobs(sequence.tokens, 512);
        expect(farthest(session, sequence, top, version)).toBeLessThan(1e-4);
      }
    };
    await check(2);
    await post("models/tiny");
    await check(1);
  } finally {
    await manager.close();
  }
});

/** The greatest difference to what the server now gives, over the tokens of one version. */
function farthest(
  session: Session,
  sequence: TrainingSequence,
  top: { prompt_topk_token_ids: number[][]; prompt_topk_logprobs: number[][] },
  version: number,
): number {
  let worst = 0;
  let at = 0;
  for (const id of sequence.nodes) {
    const node = session.graph.node(id);
    for (const token of node.tokens) {
      const place = at++;
      if (node.kind !== "sampled" || node.weightVersion !== version || sequence.masks[place] === MASKED) continue;
      const found = top.prompt_topk_logprobs[place]![top.prompt_topk_token_ids[place]!.indexOf(token)];
      worst = Math.max(worst, Math.abs((found ?? Number.POSITIVE_INFINITY) - sequence.inference_logprobs![place]!));
    }
  }
  return worst;
}
