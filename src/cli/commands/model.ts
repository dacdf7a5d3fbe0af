/** `lachesis model serve`: the embedded model, or another folder of its kind, as an inference server over HTTP. */
import type { Command } from "commander";
import { LachesisError } from "../../core/index.ts";

interface ServeOptions {
  model: string;
  port: string;
  host: string;
}

export function register(program: Command): void {
  const model = program.command("model").description("the embedded model");
  model
    .command("serve")
    .description("answer /v1/chat/completions, /v1/completions and /generate with the embedded model")
    .option("--model <folder>", "folder with config.json, tokenizer.json and model.safetensors, or tiny", "tiny")
    .option("--port <number>", "port; 0 takes a free one", "9001")
    .option(
      "--host <address>",
      "address to listen on; anyone who reaches it can use and replace the model",
      "127.0.0.1",
    )
    .action(serve);
}

/** Prints `{"listening": url}` once requests are answered, and runs until SIGINT or SIGTERM. */
async function serve(options: ServeOptions): Promise<void> {
  const port = Number(options.port);
  if (!/^\d+$/.test(options.port) || port > 65_535) {
    throw new LachesisError("config_invalid", `--port is "${options.port}"; a number from 0 to 65535 is needed.`);
  }
  const { EmbeddedServer, embeddedModelFolder } = await import("../../inference/embedded/index.ts");
  const { embeddedHttp } = await import("../../inference/embedded/http/http-server.ts");
  const server = await EmbeddedServer.open({ model: embeddedModelFolder(options.model) });
  const http = embeddedHttp(server);
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  try {
    const url = await listen(http, options.host, port);
    process.stdout.write(`${JSON.stringify({ listening: url })}\n`);
    await stopped;
  } finally {
    await http.close();
    await server.close();
  }
}

async function listen(
  http: { listen(at: { host: string; port: number }): Promise<string> },
  host: string,
  port: number,
): Promise<string> {
  try {
    return await http.listen({ host, port });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === "EADDRINUSE" ? "the port is in use; choose another with --port" : String(error);
    throw new LachesisError("config_invalid", `Cannot listen on ${host}:${port}: ${why}.`, { cause: error });
  }
}
