/** Preloaded in a test: prints the files that were loaded, as the last line of standard error. */
import { registerHooks } from "node:module";

const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    if (url.startsWith("file:")) loaded.push(url);
    return next(url, context);
  },
});
process.on("exit", () => process.stderr.write(`\n${JSON.stringify(loaded)}`));
