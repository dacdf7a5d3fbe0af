import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { errorMessage } from "../core/index.ts";
import { type FlagUse, splitArguments } from "./flags.ts";
import { problemsOf } from "./problem.ts";
import { type ConfigRequest, resolveConfig } from "./resolve.ts";
import { sourceText } from "./resolved.ts";
import { publicConfig } from "./secret-fields.ts";
import { configLines } from "./show.ts";

const schema = z.strictObject({
  group_size: z.int().min(1).default(4).describe("rollouts per item"),
  use_wandb: z.boolean().default(true),
  handling: z.enum(["STOP_TRAIN", "NONE"]).default("STOP_TRAIN"),
  toolsets: z.array(z.string()).nullable().default(null),
  ratio: z.number().nullable().default(null),
  title: z.string().nullable().default(null),
  extra_body: z.record(z.string(), z.unknown()).nullable().default(null),
  prices: z
    .record(z.string(), z.strictObject({ prompt: z.number() }))
    .nullable()
    .default(null),
  include_messages: z.boolean().default(false),
});
type Env = z.infer<typeof schema>;

const directory = mkdtempSync(join(tmpdir(), "lachesis-config-"));
let files = 0;
function yamlFile(text: string): string {
  const file = join(directory, `c${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

const server = { base_url: "http://127.0.0.1:1/v1", model_name: "m" };
const flags = (line: string[]): FlagUse[] => splitArguments(line, { options: {}, isSwitch: () => false }).flags;
const resolve = (request: Partial<ConfigRequest<typeof schema>>) =>
  resolveConfig({ schema, configInit: () => ({ openai: server }), environment: {}, ...request });

async function problems(request: Partial<ConfigRequest<typeof schema>>): Promise<string[]> {
  try {
    await resolve(request);
  } catch (error) {
    const found = problemsOf(error);
    if (found === null) throw error;
    expect(errorMessage(error)).toContain(found[0]!.message);
    return found.map(({ place, message }) => `${place}: ${message}`);
  }
  return [];
}

describe("precedence and provenance", () => {
  it("takes flags over YAML over the mode over configInit over defaults, and remembers which", async () => {
    const file = yamlFile("env:\n  group_size: 8\n  use_wandb: false\n  title: from yaml\n");
    const config = await resolve({
      file,
      flags: flags(["--env.group_size", "16"]),
      mode: { name: "process", env: { include_messages: true, use_wandb: true } },
      configInit: () => ({
        env: { group_size: 2, ratio: 0.25, title: "init", include_messages: false },
        openai: server,
      }),
    });
    expect(config.env).toMatchObject({
      group_size: 16,
      use_wandb: false,
      title: "from yaml",
      ratio: 0.25,
      include_messages: true,
    });
    const from = (name: string) => sourceText(config.sources[name]!);
    expect(from("env.group_size")).toBe("--env.group_size");
    expect(from("env.use_wandb")).toBe(`${file}:3:3`);
    expect(from("env.include_messages")).toBe("mode process");
    expect(from("env.ratio")).toBe("configInit");
    expect(from("env.handling")).toBe("default");
    expect(from("openai.model_name")).toBe("configInit");
    expect(from("openai.timeout")).toBe("default");
  });

  it("reads every form of flag", async () => {
    const values = async (...line: string[]) => (await resolve({ flags: flags(line) })).env;
    expect((await values("--env.group_size=9")).group_size).toBe(9);
    expect((await values("--env.use_wandb=false")).use_wandb).toBe(false);
    expect((await resolve({ flags: flags(["--testing"]) })).testing).toBe(true);
    expect((await values("--env.title", "None")).title).toBeNull();
    expect((await values("--env.ratio", "-0.5e-2")).ratio).toBe(-0.005);
    expect((await values("--env.toolsets", '["a,b","c"]')).toolsets).toEqual(["a,b", "c"]);
    expect((await values("--env.toolsets", "a, b")).toolsets).toEqual(["a", "b"]);
    expect((await values("--env.toolsets", "a", "--env.toolsets", "b")).toolsets).toEqual(["a", "b"]);
    expect((await values("--env.extra_body", '{"top_k": 3}')).extra_body).toEqual({ top_k: 3 });
    expect((await values("--env.extra_body.a.b", "3", "--env.extra_body.c", "x")).extra_body).toEqual({
      a: { b: 3 },
      c: "x",
    });
    expect((await values("--env.title", "123")).title).toBe("123");
  });

  it("merges a nested flag into the file's value", async () => {
    const file = yamlFile("env:\n  extra_body:\n    a: 1\n    b: 2\n");
    const config = await resolve({ file, flags: flags(["--env.extra_body.b", "5"]) });
    expect(config.env.extra_body).toEqual({ a: 1, b: 5 });
    expect(configLines(config, schema)).toContain(`env.extra_body = {"a":1,"b":5}  (${file}:2:3, --env.extra_body.b)`);
  });

  it("takes configInit's pair, and reads YAML 1.1 booleans, anchors and merges", async () => {
    const file = yamlFile("env: &e\n  use_wandb: no\nopenai:\n  <<: &s {model_name: x}\n  base_url: http://h/v1\n");
    const config = await resolve({ file, configInit: () => [{ group_size: 3 }, server] });
    expect(config.env).toMatchObject({ group_size: 3, use_wandb: false });
    expect(config.openai).toMatchObject([{ model_name: "x", base_url: "http://h/v1" }]);
  });
});

describe("problems", () => {
  it("gathers all of them, each with its place, what was found, what is allowed and the nearest name", async () => {
    const file = yamlFile("env:\n  gruop_size: 4\n  handling: STOP\n  ratio: many\nopenia:\n  model_name: x\n");
    expect(await problems({ file, flags: flags(["--env.group_size", "0", "--env.tolsets", "secret-value"]) })).toEqual([
      `${file}:5:1: openia is no known section or field. Did you mean openai? Allowed: env, openai, judge, slurm, testing, max_n_completions, proxy_url.`,
      "--env.tolsets: is no known flag. Did you mean --env.toolsets?",
      `${file}:2:3: env.gruop_size is no known field. Did you mean env.group_size?`,
      "--env.group_size: env.group_size: allowed: an integer of at least 1; found 0.",
      `${file}:3:13: env.handling: allowed: STOP_TRAIN, NONE; found text "STOP".`,
      `${file}:4:10: env.ratio: allowed: a number or null; found text "many".`,
    ]);
  });

  it("points into nested values and lists", async () => {
    const file = yamlFile("env:\n  toolsets:\n    - a\n    - 5\n  prices:\n    m:\n      promt: 1\n      prompt: x\n");
    expect(await problems({ file })).toEqual([
      `${file}:7:7: env.prices.m.promt is no known field. Did you mean env.prices.m.prompt?`,
      `${file}:4:7: env.toolsets.1: allowed: text; found 5.`,
      `${file}:8:15: env.prices.m.prompt: allowed: a number; found text "x".`,
    ]);
  });

  it("says which flag a bare or misspelt name means", async () => {
    expect(await problems({ flags: flags(["--group_size", "4"]) })).toEqual([
      "--group_size: is no known flag. Did you mean --env.group_size?",
    ]);
    expect(await problems({ flags: flags(["--env.use-wandb"]) })).toEqual([
      "--env.use-wandb: is no known flag. Did you mean --env.use_wandb?",
    ]);
    expect(await problems({ flags: flags(["--openai.model", "x"]) })).toEqual(
      ["--openai.model: is no known flag."].map((text) => expect.stringContaining(text)),
    );
    expect(await problems({ flags: flags(["--run-dri", "x"]), otherFlags: ["--run-dir"] })).toEqual([
      "--run-dri: is no known flag. Did you mean --run-dir?",
    ]);
    expect(await problems({ flags: flags(["--env.group_size"]) })).toEqual(["--env.group_size: needs a value."]);
  });

  it("reports what is wrong with the file itself", async () => {
    const of = async (text: string) =>
      (await problems({ file: yamlFile(text) })).map((line) => line.replace(/^.*c\d+\.yaml/, "FILE"));
    expect(await of("env:\n  a: 1\n  a: 2\n")).toEqual(["FILE:3:3: this key stands twice in its section."]);
    expect(await of("- 1\n")).toEqual(["FILE:1:1: must hold sections such as env and openai, found a list [1]."]);
    expect(await of("env: 5\n")).toEqual(["FILE:1:6: env must hold fields, found 5."]);
    expect((await of('openai:\n  api_key: "sk-verysecret\n  x: [\n')).join()).toMatch(
      /^FILE:\d+:\d+: YAML cannot be read here/,
    );
    expect((await of('openai:\n  api_key: "sk-verysecret" sk-other\n')).join()).not.toContain("sk-");
    expect(await problems({ file: join(directory, "none.yaml") })).toEqual([
      `${directory}/none.yaml: there is no such configuration file.`,
    ]);
    expect(await problems({ file: directory })).toEqual([`${directory}: is a directory; a YAML file is needed.`]);
    const bomb = Array.from(
      { length: 12 },
      (_, i) =>
        `a${i}: &a${i} [${
          i === 0
            ? "1"
            : Array(12)
                .fill(`*a${i - 1}`)
                .join(",")
        }]`,
    );
    expect((await of(`${bomb.join("\n")}\n`))[0]).toContain("cannot be expanded");
  });

  it("checks rules beside the fields, with defaults where a field is wrong", async () => {
    const rule = (env: Env, at: (field: string) => { place: string }) =>
      env.group_size === 8 ? [{ place: at("group_size").place, message: "eight" }] : [];
    expect(await problems({ flags: flags(["--env.group_size", "8", "--env.ratio", "x"]), rules: [rule] })).toEqual([
      '--env.ratio: env.ratio: allowed: a number or null; found text "x".',
      "--env.group_size: eight",
    ]);
  });

  it("names a field without default that nobody set, and what configInit did wrong", async () => {
    const own = schema.extend({ path: z.string() });
    await expect(
      resolveConfig({ schema: own, environment: {}, configInit: () => ({ openai: server }) }),
    ).rejects.toThrow("env.path: env.path is required: text. Set --env.path, or env.path in the file.");
    expect(await problems({ configInit: () => ({ env: { group_sise: 1 }, openai: server }) })).toEqual([
      "configInit: env.group_sise is no known field. Did you mean env.group_size?",
    ]);
    expect(
      await problems({
        configInit: () => {
          throw new Error("no");
        },
      }),
    ).toEqual(["configInit: configInit() failed: no"]);
  });

  it("takes no harm from names of Object's prototype", async () => {
    const file = yamlFile("env:\n  __proto__: {polluted: 1}\n  constructor: 2\n  toString: 3\n");
    expect((await problems({ file })).length).toBe(3);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(await problems({ flags: flags(["--env.__proto__.x", "1"]) })).toHaveLength(1);
  });
});

describe("secrets", () => {
  it("never shows them, neither in lines, nor in the public form, nor in problems", async () => {
    const key = "sk-0123456789abcdef";
    const config = await resolve({
      flags: flags([
        "--openai.api_key",
        key,
        "--openai.extra_headers.X-Thing",
        `Bearer ${key}`,
        "--env.extra_body.api_key",
        key,
      ]),
      configInit: () => ({ openai: { ...server, base_url: `http://user:${key}@h/v1` } }),
    });
    expect(config.openai[0]!.api_key).toBe(key);
    const text = configLines(config, schema).join("\n");
    expect(text).toContain('openai.api_key = "(hidden)"  (--openai.api_key)');
    expect(text).not.toContain(key);
    expect(JSON.stringify(publicConfig(config, schema))).not.toContain(key);
    const wrong = await problems({
      flags: flags(["--openai.api_kee", key, "--openai.base_url", `ftp://u:${key}@h`]),
      configInit: () => ({ openai: { api_key: [key] } }),
    });
    expect(wrong.length).toBe(2);
    expect(wrong.join("\n")).not.toContain(key);
  });

  it("takes a key from the variable that the file names", async () => {
    const file = yamlFile("openai:\n  api_key: $MY_KEY\n");
    const config = await resolve({ file, environment: { MY_KEY: "value-of-key" } });
    expect(config.openai[0]!.api_key).toBe("value-of-key");
    expect(sourceText(config.sources["openai.api_key"]!)).toBe("environment MY_KEY");
    expect(await problems({ file })).toEqual([
      `${file}:2:12: openai.api_key names the variable MY_KEY, which is not set (environment or .env).`,
    ]);
  });
});
