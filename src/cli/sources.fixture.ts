/** Preloaded in tests' child processes: `lachesis` is then this repository's sources instead of the compiled files. */
import { registerHooks } from "node:module";

const src = new URL("../", import.meta.url);

registerHooks({
  resolve(specifier, context, next) {
    const room = /^lachesis(?:\/(\w+))?$/.exec(specifier);
    if (room === null) return next(specifier, context);
    return { url: new URL(room[1] === undefined ? "index.ts" : `${room[1]}/index.ts`, src).href, shortCircuit: true };
  },
});
