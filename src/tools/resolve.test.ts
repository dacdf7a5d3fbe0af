import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defaultRegistry } from "./builtin.ts";
import { defineTool } from "./define-tool.ts";
import { sampleToolsets } from "./distributions.ts";
import { ToolRegistry } from "./registry.ts";
import { listDistributions, listTools, listToolsets, resolveTools } from "./resolve.ts";
import { toolNamesOf, toolsetNames } from "./toolsets.ts";

const own = defineTool({
  name: "own",
  description: "own",
  toolset: "mine",
  parameters: z.object({}),
  execute: () => "",
});
const registry = defaultRegistry([own]);
const names = async (options: Partial<Parameters<typeof resolveTools>[0]>) =>
  (await resolveTools({ registry, ...options })).tools.map((tool) => tool.name);

const BUILTIN = ["patch", "process", "read_file", "search_files", "terminal", "todo", "write_file"];

describe("resolveTools", () => {
  it("gives everything, toolsets, unions, includes and what is taken away, sorted", async () => {
    expect(await names({})).toEqual([...BUILTIN, "own"].sort());
    expect(await names({ enabled: ["terminal"] })).toEqual(["process", "terminal"]);
    expect(await names({ enabled: ["mine", "todo"] })).toEqual(["own", "todo"]);
    expect(await names({ enabled: ["debugging"] })).toEqual(BUILTIN.filter((name) => name !== "todo"));
    expect(await names({ enabled: ["hermes-gateway"] })).toEqual(BUILTIN);
    expect(await names({ enabled: ["all"], disabled: ["file", "mine"] })).toEqual(["process", "terminal", "todo"]);
    expect(await names({ enabled: ["file_tools"] })).toHaveLength(4);
    expect(await names({ enabled: [] })).toEqual([]);
  });

  it("refuses names that do not exist, with the nearest", async () => {
    await expect(names({ enabled: ["termnal"] })).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining("did you mean 'terminal'"),
    });
    await expect(names({ disabled: ["fiel"] })).rejects.toMatchObject({ code: "config_invalid" });
    await expect(names({ enabled: ["read_file"] })).rejects.toMatchObject({
      message: expect.stringContaining("toolset 'file'"),
    });
    await expect(names({ distribution: "scienc" })).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining("'science'"),
    });
    await expect(names({ distribution: "default", enabled: ["file"] })).rejects.toMatchObject({
      code: "config_invalid",
    });
    await expect(names({ distribution: "toString" })).rejects.toMatchObject({ code: "config_invalid" });
  });

  it("refuses a toolset that was asked for by name and has nothing here, and notes what a sample leaves out", async () => {
    await expect(names({ enabled: ["spotify"] })).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining("spotify_playback"),
    });
    const sampled = await resolveTools({ registry, distribution: "terminal_web", seed: 1 });
    expect(sampled.tools.map((tool) => tool.name)).toEqual(BUILTIN.filter((name) => name !== "todo"));
    expect(sampled.toolsets).toEqual(["terminal", "file", "web"]);
    expect(sampled.missing).toEqual([
      { toolset: "web", tools: ["web_extract", "web_search"], reason: expect.stringContaining("web_search") },
    ]);
  });

  it("does not offer tools that cannot work, and says why", async () => {
    const needy = defineTool({
      name: "needy",
      description: "",
      toolset: "mine",
      requiresEnv: ["LACHESIS_NO_SUCH_KEY"],
      parameters: z.object({}),
      execute: () => "",
    });
    const broken = defineTool({
      name: "broken",
      description: "",
      toolset: "broken",
      unavailable: async () => "has no engine",
      parameters: z.object({}),
      execute: () => "",
    });
    const with2 = new ToolRegistry([own, needy, broken]);
    const { tools, missing } = await resolveTools({ registry: with2, enabled: ["mine"] });
    expect(tools).toEqual([own]);
    expect(missing).toEqual([
      { toolset: "mine", tools: ["needy"], reason: "needy: needs LACHESIS_NO_SUCH_KEY in the environment" },
    ]);
    await expect(resolveTools({ registry: with2, enabled: ["broken"] })).rejects.toMatchObject({
      message: expect.stringContaining("has no engine"),
    });
    expect((await listTools(with2)).find((tool) => tool.name === "broken")?.unavailable).toBe("has no engine");
  });

  it("keeps registries apart and refuses two tools of one name", () => {
    expect(defaultRegistry().has("own")).toBe(false);
    expect(() => defaultRegistry([{ ...own, name: "terminal" }])).toThrowError(/Two tools are called 'terminal'/);
  });
});

describe("toolsets", () => {
  it("know every name of the reference", async () => {
    expect(toolNamesOf("browser", registry)).toHaveLength(13);
    expect(toolNamesOf("hermes-acp", registry)).toHaveLength(2 + 2 + 4 + 1 + 3 + 12 + 5);
    expect(toolNamesOf("hermes-api-server", registry)).toHaveLength(29 + 6);
    expect(toolNamesOf("hermes-cli", registry)).toEqual(toolNamesOf("hermes-wecom-callback", registry));
    expect(toolNamesOf("rl", registry)).toHaveLength(10);
    expect(toolNamesOf("safe", registry)).toEqual(["image_generate", "vision_analyze", "web_extract", "web_search"]);
    expect(new Set(toolNamesOf("*", registry))).toEqual(new Set(toolNamesOf("all", registry)));
    expect(toolsetNames(registry)).toContain("mine");
    const listed = await listToolsets(registry);
    expect(listed.find(({ name }) => name === "debugging")?.usable).toHaveLength(6);
  });
});

describe("distributions", () => {
  it("are all there and resolve for every seed", async () => {
    expect(listDistributions()).toHaveLength(17);
    for (const { name } of listDistributions()) {
      for (let seed = 0; seed < 20; seed++) await resolveTools({ registry, distribution: name, seed });
    }
  });

  it("depend on the seed alone, and keep their probabilities", () => {
    expect(sampleToolsets("balanced", 7)).toEqual(sampleToolsets("balanced", 7));
    const counts = new Map<string, number>();
    let alone = 0;
    for (let seed = 0; seed < 4000; seed++) {
      const drawn = sampleToolsets("reasoning", seed);
      if (drawn.length === 1) alone++;
      for (const toolset of drawn) counts.set(toolset, (counts.get(toolset) ?? 0) + 1);
    }
    expect(counts.get("web")! / 4000).toBeCloseTo(0.3, 1);
    expect(counts.get("terminal")! / 4000).toBeCloseTo(0.2, 1);
    // Nothing drawn means the likeliest: 0.9 and the part of 0.1 in which nothing else was drawn.
    expect(counts.get("moa")! / 4000).toBeCloseTo(0.9 + 0.1 * 0.7 * 0.8, 1);
    expect(alone).toBeGreaterThan(0);
  });
});
