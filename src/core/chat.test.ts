import { expect, test } from "vitest";
import { textOf } from "./chat.ts";

test("the text of any content, also of messages that an environment made wrong", () => {
  expect(textOf("a")).toBe("a");
  expect(textOf(null)).toBe("");
  expect(textOf(undefined)).toBe("");
  expect(
    textOf([
      { type: "text", text: "a" },
      { type: "image_url", image_url: { url: "data:" } },
      { type: "text", text: "b" },
    ]),
  ).toBe("ab");
});
