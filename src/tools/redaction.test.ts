import { describe, expect, it } from "vitest";
import { redactText, withoutSecrets } from "./redaction.ts";

describe("redaction", () => {
  it("masks keys, tokens and passwords wherever they are in a result", () => {
    const key = `sk-${"a1".repeat(20)}`;
    expect(
      withoutSecrets({ output: `key ${key}!`, deep: [{ url: "postgres://me:hunter2@db/x" }], n: 1, none: null }),
    ).toEqual({
      output: "key sk-a1a...a1a1!",
      deep: [{ url: "postgres://me:***@db/x" }],
      n: 1,
      none: null,
    });
    expect(redactText("Authorization: Bearer abcdefghijklmnopqrstuvwxyz")).toBe("Authorization: Bearer abcdef...wxyz");
    expect(redactText("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----")).toBe("***");
  });

  it("leaves ordinary text alone", () => {
    for (const text of ["MAX_TOKENS=4096", "+20240101", '{"a":1}', "eyJ", "http://host:80/path@x", "git diff"])
      expect(redactText(text)).toBe(text);
  });

  it("ends soon on long text", () => {
    expect(redactText(`${"a://b:".repeat(50_000)}`)).toContain("a://b:");
    expect(redactText("-----BEGIN PRIVATE KEY-----".repeat(2000))).toContain("BEGIN");
  });
});
