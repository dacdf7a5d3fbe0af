import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { withTables } from "./docs-configuration.ts";

it("has the tables of the present schemas (node scripts/docs-configuration.ts makes them)", () => {
  const text = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8");
  expect(withTables(text)).toBe(text);
});

it("describes every field", () => {
  const text = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8");
  const rows = text
    .slice(text.indexOf("<!-- The tables"))
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  expect(rows.length).toBeGreaterThan(100);
  for (const row of rows) expect(row.split(/(?<!\\)\|/)[4]!.trim(), row).not.toBe("");
});
