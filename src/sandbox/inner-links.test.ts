import { expect, it } from "vitest";
import { linkStaysInside } from "./inner-links.ts";

it("keeps links that stay in their tree, and no others", () => {
  for (const [path, link] of [
    ["a", "b"],
    ["a", "."],
    ["d/a", ".."],
    ["d/e/a", "../../x/./y//z"],
    ["a", "d/../b"],
    ["a", "..."],
  ] as const)
    expect.soft(linkStaysInside(path, link), `${path} -> ${link}`).toBe(true);
  for (const [path, link] of [
    ["a", "/etc/passwd"],
    ["a", ".."],
    ["d/a", "../.."],
    ["d/a", "../../tree/b"],
    ["a", "b/../../c"],
  ] as const)
    expect.soft(linkStaysInside(path, link), `${path} -> ${link}`).toBe(false);
});
