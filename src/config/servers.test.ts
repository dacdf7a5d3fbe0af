import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { splitArguments } from "./flags.ts";
import { problemsOf } from "./problem.ts";
import { resolveConfig } from "./resolve.ts";

const file = join(mkdtempSync(join(tmpdir(), "lachesis-servers-")), "c.yaml");

async function servers(given: {
  init?: unknown;
  yaml?: string;
  line?: string[];
  environment?: Record<string, string>;
}) {
  if (given.yaml !== undefined) writeFileSync(file, given.yaml);
  return resolveConfig({
    schema: z.strictObject({}),
    configInit: () => ({ openai: given.init }),
    file: given.yaml === undefined ? null : file,
    flags: splitArguments(given.line ?? [], { options: {}, isSwitch: (flag) => flag === "--testing" }).flags,
    environment: given.environment ?? {},
  });
}

async function refused(given: Parameters<typeof servers>[0]): Promise<string[]> {
  try {
    await servers(given);
  } catch (error) {
    return (problemsOf(error) ?? []).map(({ place, message }) => `${place.replace(file, "FILE")}: ${message}`);
  }
  return [];
}

const urls = async (given: Parameters<typeof servers>[0]) =>
  (await servers(given)).openai.map(({ base_url }) => base_url);

describe("which servers are used", () => {
  it("tries the default ports, and says so, when none is configured", async () => {
    const config = await servers({});
    expect(config.openai.map(({ base_url }) => base_url)).toEqual(
      [9004, 9005, 9006, 9007].map((port) => `http://localhost:${port}/v1`),
    );
    expect(config.notes.join()).toContain("9004");
    expect(await urls({ line: ["--openai.server_type", "vllm", "--openai.model_name", "x"] })).toHaveLength(4);
  });

  it("leaves a named model of type openai to OPENAI_BASE_URL or OpenAI itself", async () => {
    expect(await urls({ line: ["--openai.model_name", "gpt"] })).toEqual([""]);
    expect(await urls({ environment: { OPENAI_BASE_URL: "http://x/v1" } })).toEqual([""]);
  });

  it("lays one server over one, also when it is written as a list", async () => {
    const init = { model_name: "a", base_url: "http://h:1/v1", timeout: 5 };
    const { openai } = await servers({
      init: [init],
      yaml: "openai:\n  - model_name: b\n",
      line: ["--openai.timeout", "7"],
    });
    expect(openai).toMatchObject([{ model_name: "b", base_url: "http://h:1/v1", timeout: 7 }]);
  });

  it("takes a list instead of what is below it, and refuses flags for it", async () => {
    const yaml = "openai:\n  - base_url: http://a/v1\n    weight: 0.5\n  - base_url: http://b/v1\n";
    const config = await servers({ init: { timeout: 5 }, yaml });
    expect(config.openai).toMatchObject([{ timeout: 1200, weight: 0.5 }, { weight: 1 }]);
    expect(config.sources["openai.1.base_url"]).toMatchObject({ kind: "file", line: 4 });
    expect(await refused({ yaml, line: ["--openai.timeout", "7"] })).toEqual([
      "--openai.timeout: 2 servers are configured, so a flag cannot say which one it means. Set the field in the file.",
    ]);
  });

  it("refuses mixed phases, missing addresses, empty lists and wrong addresses", async () => {
    expect(
      await refused({ yaml: "openai:\n  - base_url: http://a/v1\n  - base_url: http://b\n    server_type: vllm\n" }),
    ).toEqual([expect.stringMatching(/^FILE:4:18: openai\.1 is of type vllm and openai\.0 of type openai/)]);
    expect(await refused({ yaml: "openai:\n  - base_url: http://a/v1\n  - model_name: b\n" })).toEqual([
      expect.stringContaining("openai.1.base_url is required"),
    ]);
    expect(await refused({ yaml: "openai: []\n" })).toEqual([expect.stringContaining("list of servers is empty")]);
    expect(await refused({ yaml: "openai: [1]\n" })).toEqual([expect.stringContaining("found 1")]);
    expect(await refused({ line: ["--openai.base_url", "localhost:80"] })).toEqual([
      expect.stringContaining("http:// or https://"),
    ]);
    expect(await refused({ line: ["--openai.server_type", "vlm"] })).toEqual([
      expect.stringContaining("Did you mean vllm?"),
    ]);
  });

  it("lets an address take the place of the embedded model, and the other way round", async () => {
    const embedded = { server_type: "embedded", model_name: "tiny" };
    expect((await servers({ init: embedded })).openai).toMatchObject([{ server_type: "embedded", model_name: "tiny" }]);
    expect((await servers({ init: embedded, line: ["--openai.base_url", "http://h/v1"] })).openai).toMatchObject([
      { server_type: "openai", model_name: "default", base_url: "http://h/v1" },
    ]);
    const http = { base_url: "http://h/v1", api_key: "key", model_name: "m" };
    expect((await servers({ init: http, line: ["--openai.server_type", "embedded"] })).openai).toMatchObject([
      { server_type: "embedded", base_url: "", api_key: "", model_name: "default" },
    ]);
    expect((await servers({ init: [http, http], line: ["--testing"] })).openai).toMatchObject([
      { server_type: "embedded" },
    ]);
    expect(
      await refused({ line: ["--openai.server_type", "embedded", "--openai.base_url", "http://h/v1"] }),
    ).toHaveLength(1);
  });

  it("expands the nodes of a Slurm job", async () => {
    const environment = { SLURM_JOB_NODELIST: "gpu[01-02,9],big-[1-2]-x", NUM_TRAINING_NODES: "1", INFER_TP: "4" };
    const hosts = ["gpu02", "gpu9", "big-1-x", "big-2-x"];
    expect(await urls({ line: ["--slurm", "true", "--openai.model_name", "m"], environment })).toEqual(
      hosts.flatMap((host) => [`http://${host}:9000/v1`, `http://${host}:9001/v1`]),
    );
    for (const [list, message] of [
      ["", "not set"],
      ["a[1-", "brackets"],
      ["a[5-2]", "not after its start"],
      ["a[x]", "NUMBER"],
      ["a[1-999999999]", "too far"],
    ] as const) {
      expect((await refused({ line: ["--slurm"], environment: { SLURM_JOB_NODELIST: list } })).join()).toContain(
        message,
      );
    }
    expect(
      (await refused({ line: ["--slurm"], environment: { SLURM_JOB_NODELIST: "a", NUM_TRAINING_NODES: "1" } })).join(),
    ).toContain("leaves no node");
  });

  it("has a judge apart from the policy", async () => {
    const { judge } = await servers({ init: { base_url: "http://h/v1" }, line: ["--judge.base_url", "http://j/v1"] });
    expect(judge).toMatchObject({ base_url: "http://j/v1" });
    expect((await servers({})).judge).toBeNull();
    expect(await refused({ line: ["--judge.timeout", "5"] })).toEqual([
      "judge: judge needs a base_url or a model_name.",
    ]);
  });
});
