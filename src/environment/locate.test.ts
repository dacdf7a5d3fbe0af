import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { locateEnvironment, shippedEnvironments } from "./locate.ts";

const base = mkdtempSync(join(tmpdir(), "lachesis-locate-"));
const file = (path: string) => {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), "");
  return join(base, path);
};

it("finds files, folders and shipped names", () => {
  const mine = file("mine/env.ts");
  const shipped = file("package/environments/hello/env.ts");
  const root = join(base, "package");
  expect(locateEnvironment("mine/env.ts", base, root)).toBe(mine);
  expect(locateEnvironment("./mine", base, root)).toBe(mine);
  expect(locateEnvironment("mine", base, root)).toBe(mine);
  expect(locateEnvironment("hello", base, root)).toBe(shipped);
  expect(shippedEnvironments(root)).toEqual([{ name: "hello", path: shipped }]);
  const message = (named: string) => {
    try {
      return locateEnvironment(named, base, root);
    } catch (error) {
      expect(error).toMatchObject({ code: "config_invalid" });
      return (error as Error).message;
    }
  };
  expect(message("helo")).toContain("Did you mean hello?");
  expect(message("mine/enf.ts")).toContain("Did you mean mine/env.ts?");
  expect(message("package")).toContain("holds no env.ts");
  file("notes.md");
  expect(message("notes.md")).toContain("a .ts or .js file");
});

it("takes the compiled copies of an installed package", () => {
  const root = join(base, "app/node_modules/lachesis");
  const source = file("app/node_modules/lachesis/environments/hello/env.ts");
  const compiled = file("app/node_modules/lachesis/dist/environments/hello/env.js");
  expect(locateEnvironment("hello", base, root)).toBe(compiled);
  expect(locateEnvironment(source, base, root)).toBe(compiled);
  const foreign = file("app/node_modules/other/env.ts");
  expect(() => locateEnvironment(foreign, base, root)).toThrow(/does not run TypeScript inside node_modules/);
});
