import { describe, expect, it } from "vitest";
import { Flags, helpText } from "./flags.ts";

describe("flags", () => {
  it("have defaults and ranges", () => {
    const flags = new Flags(["--lr", "1e-3", "--server", "http://a", "--server", "http://b", "--json"]);
    expect(flags.number("lr")).toBe(0.001);
    expect(flags.number("steps")).toBe(30);
    expect(flags.optionalNumber("clip-high")).toBeNull();
    expect(flags.all("server")).toEqual(["http://a", "http://b"]);
    expect(flags.text("protocol")).toBe("auto");
    expect(flags.has("json")).toBe(true);
  });

  it.each([
    ["steps", "2.5"],
    ["steps", ""],
    ["steps", "many"],
    ["clip", "-1"],
    ["clip", "Infinity"],
  ] as const)("refuse --%s %j", (name, value) => {
    const flags = new Flags([`--${name}=${value}`]);
    expect(() => flags.number(name)).toThrow(`--${name}`);
  });

  it("refuse what nobody knows", () => {
    expect(() => new Flags(["--learning-rate", "1"])).toThrow(/learning-rate/);
    expect(() => new Flags(["--protocol", "v3"]).text("protocol")).toThrow(/auto or v1 or v2/);
    expect(helpText()).toContain("--updates-per-batch");
  });
});
