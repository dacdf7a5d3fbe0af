/**
 * A compiled chat template: jinja2 as transformers sets it up (sandboxed and immutable, trim_blocks, lstrip_blocks, loop
 * controls, no escaping). Whatever Python would raise while rendering comes out as `template_error`.
 */
import { LachesisError } from "../../core/index.ts";
import { toValue } from "./convert.ts";
import { globalFunctions } from "./globals.ts";
import { Interpreter } from "./interpreter.ts";
import { parseTemplate } from "./parser.ts";
import { PyError, type Value } from "./values.ts";

export interface RenderOptions {
  /** The clock of `strftime_now`; its local time is used. Default: the system's. */
  now?: () => Date;
}

export class Template {
  readonly #statements: ReturnType<typeof parseTemplate>;

  /** @throws LachesisError `template_error` where the syntax is wrong */
  constructor(source: string) {
    this.#statements = converted(() => parseTemplate(source));
  }

  /**
   * The text for the given names; values are JavaScript's or those of `values.ts`.
   * @throws LachesisError `template_error`
   */
  render(names: Iterable<readonly [string, unknown]>, { now = () => new Date() }: RenderOptions = {}): string {
    return converted(() => {
      const globals: Map<string, Value> = globalFunctions(now);
      for (const [name, value] of names) globals.set(name, toValue(value));
      return new Interpreter().render(this.#statements, globals);
    });
  }
}

function converted<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PyError) {
      throw new LachesisError("template_error", `The chat template failed: ${error.kind}: ${error.message}`, {
        cause: error,
        details: { kind: error.kind, message: error.message },
      });
    }
    if (error instanceof RangeError && /call stack/i.test(error.message)) {
      throw new LachesisError("template_error", "The chat template failed: it nests too deeply.", { cause: error });
    }
    throw error;
  }
}
