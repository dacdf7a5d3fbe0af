import { describe, expect, it } from "vitest";
import { nearestName } from "./nearest.ts";

describe("nearestName", () => {
  it("finds slips of typing", () => {
    expect(nearestName("termnal", ["file", "terminal", "web"])).toBe("terminal");
    expect(nearestName("max-agent-turns", ["max_agent_turns", "max_tokens"])).toBe("max_agent_turns");
    expect(nearestName("Group_Szie", ["group_size", "batch_size"])).toBe("group_size");
    expect(nearestName("flie", ["file"])).toBe("file");
  });
  it("says nothing when nothing is close", () => {
    expect(nearestName("kubernetes", ["file", "web"])).toBeUndefined();
    expect(nearestName("x", ["web"])).toBeUndefined();
    expect(nearestName("", ["web"])).toBeUndefined();
  });
  it("takes the first of equally near names", () => {
    expect(nearestName("aab", ["aac", "aad"])).toBe("aac");
  });
});
