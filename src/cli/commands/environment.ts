/** process, evaluate, serve and config: the same code that `node env.ts MODE …` runs. */
import { runEnvironmentCommand } from "../../environment/command.ts";

export function run(argv: readonly string[], command: string): Promise<number> {
  return runEnvironmentCommand([command, ...argv]);
}
