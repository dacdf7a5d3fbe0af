import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^lachesis$/, replacement: `${root}src/index.ts` },
      { find: /^lachesis\/(.*)$/, replacement: `${root}src/$1/index.ts` },
    ],
  },
  test: {
    // Also the test of an environment that `lachesis init` made in here.
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", "runs/**"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
