import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { redacted } from "../core/index.ts";
import { isSecretVariable, loadDotEnv } from "./environment-variables.ts";
import { exitCodeOf, reportError } from "./exit.ts";
import { configError } from "./problem.ts";

it("reads .env where a variable is not set, and hides what looks like a secret", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lachesis-dotenv-"));
  writeFileSync(join(folder, ".env"), "# comment\nMY_API_KEY='quoted-secret'\nexport OTHER=1\nSET=from file\n");
  const environment: NodeJS.ProcessEnv = { SET: "before", SOME_TOKEN: "token-of-environment" };
  expect((await loadDotEnv(folder, environment)).sort()).toEqual(["MY_API_KEY", "OTHER"]);
  expect(environment).toEqual({
    SET: "before",
    SOME_TOKEN: "token-of-environment",
    MY_API_KEY: "quoted-secret",
    OTHER: "1",
  });
  expect(redacted("a quoted-secret b token-of-environment c")).toBe("a [redacted] b [redacted] c");
  mkdirSync(join(folder, "venv/.env"), { recursive: true });
  expect(await loadDotEnv(join(folder, "venv"), {})).toEqual([]);
});

it("knows a secret by the variable's name", () => {
  for (const name of ["OPENAI_API_KEY", "HF_TOKEN", "MODAL_TOKEN_ID", "DB_PASSWORD"])
    expect(isSecretVariable(name)).toBe(true);
  for (const name of ["HOME", "TOKENIZERS_PARALLELISM", "KEYBOARD", "MONKEY_NAME"])
    expect(isSecretVariable(name)).toBe(false);
});

it("ends with the code that belongs to the error", () => {
  const lines: string[] = [];
  const report = (error: unknown) => reportError(error, "lachesis", (line) => lines.push(line));
  expect(report(configError([{ place: "a.yaml:1:2", message: "wrong." }]))).toBe(2);
  expect(lines).toEqual(["lachesis: a.yaml:1:2: wrong.", "Nothing was started."]);
  expect(report(new Error("boom"))).toBe(1);
  expect(lines.at(-1)).toContain("environment-variables.test.ts");
  expect(exitCodeOf(new TypeError("x"))).toBe(1);
});
