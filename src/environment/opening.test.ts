import { expect, test } from "vitest";
import { openingOf } from "./opening.ts";

const user = (content: unknown) => ({ role: "user", content });

test("texts, parts and messages, behind the system prompt", () => {
  expect(openingOf("Hi", null)).toEqual([user("Hi")]);
  expect(openingOf("Hi", "Be brief.")).toEqual([{ role: "system", content: "Be brief." }, user("Hi")]);
  const parts = [{ type: "text", text: "Hi" }];
  expect(openingOf(parts, "")).toEqual([user(parts)]);
  const own = [{ role: "system", content: "Mine." }, user("Hi")];
  expect(openingOf(own, "Be brief.")).toEqual(own);
});

test.each([
  [undefined, "returned undefined"],
  [null, "returned null"],
  [7, "returned a number"],
  [{ role: "user", content: "x" }, "returned an object"],
  [[], "an empty list"],
  [["Hi"], "entry 0 is a string"],
  [[user("a"), null], "entry 1 is null"],
  [[{ role: "usre", content: "x" }], "number 0"],
  [[{ role: "user" }], "number 0"],
  [[{ text: "x" }], "neither messages"],
])("%j is no prompt", (prompt, message) => {
  expect(() => openingOf(prompt, null)).toThrow(message);
});
