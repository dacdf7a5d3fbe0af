/** `bin/lachesis.js` over the sources, for tests that start a child process. */
import { main } from "./main.ts";

process.exit(await main(process.argv.slice(2)));
