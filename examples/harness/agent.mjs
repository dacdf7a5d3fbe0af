/**
 * A small coding agent with a loop of its own: it offers two tools, runs what the model calls, and stops when the model
 * answers without a call. It knows nothing of Lachesis: it reads the variables that OpenAI's own programs read.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const { OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL, LACHESIS_PROMPT_FILE } = process.env;

const parameters = (...names) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});
const tools = [
  { name: "terminal", description: "Run a shell command and get its output.", parameters: parameters("command") },
  { name: "write_file", description: "Write a file.", parameters: parameters("path", "content") },
].map((tool) => ({ type: "function", function: tool }));

const run = {
  terminal({ command }) {
    const { stdout, stderr, status } = spawnSync("sh", ["-c", command], { encoding: "utf8", timeout: 60_000 });
    return { output: stdout + stderr, exit_code: status };
  },
  write_file({ path, content }) {
    const place = path.replace(/^~/, process.env.HOME ?? "~");
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, content);
    return { bytes_written: Buffer.byteLength(content) };
  },
};

async function ask(messages) {
  const response = await fetch(`${OPENAI_BASE_URL}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${OPENAI_API_KEY}` },
    body: JSON.stringify({ model: OPENAI_MODEL, messages, tools, max_tokens: 256 }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${body.error?.message}`);
  return body.choices[0].message;
}

const messages = [{ role: "user", content: process.argv[2] ?? readFileSync(LACHESIS_PROMPT_FILE, "utf8") }];
for (;;) {
  const answer = await ask(messages);
  messages.push(answer);
  if (!answer.tool_calls?.length) break;
  for (const { id, function: call } of answer.tool_calls) {
    let result;
    try {
      result = run[call.name](JSON.parse(call.arguments));
    } catch (error) {
      result = { error: String(error) };
    }
    messages.push({ role: "tool", tool_call_id: id, content: JSON.stringify(result) });
  }
}
console.log(messages.at(-1).content);
