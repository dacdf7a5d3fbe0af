import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { TokenFinder } from "./token-finder.ts";

describe("TokenFinder", () => {
  it("reads the text once for each token, however often it is asked", () => {
    const text = "<tool_call>".repeat(10_000);
    const finder = new TokenFinder(text);
    let found = 0;
    for (let at = finder.next("<tool_call>", 0); at !== -1; at = finder.next("<tool_call>", at + 1)) {
      found++;
      finder.next("</tool_call>", at);
      finder.first(["</function>", "<function="], at);
    }
    expect(found).toBe(10_000);
    expect(finder.work).toBeLessThan(6 * text.length);
  });
});

describe("every format", () => {
  it("reads long texts of nothing but its own markers in a process with a bounded life", () => {
    const script = fileURLToPath(new URL("hostile-text.fixture.ts", import.meta.url));
    const run = spawnSync(process.execPath, [script], { encoding: "utf8", timeout: 170_000, killSignal: "SIGKILL" });
    expect(run.stderr).toBe("");
    expect(run.stdout).toMatch(/^read \d+ texts/);
  }, 180_000);
});
