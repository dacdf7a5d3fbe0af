/**
 * A quick look at the syntax of a file that was just written: JSON and YAML here, Python and TOML by the sandbox's own
 * Python if it has one. It only informs; it never fails a write and never runs the file's code.
 */
import { errorMessage } from "../../core/index.ts";
import type { Sandbox } from "../../sandbox/index.ts";
import { endsRollout } from "../fatal.ts";
import type { StateHolder } from "../places.ts";

export type Lint = { status: "ok" | "error"; output: string } | { status: "skipped"; message: string };

// Parsed on the host's event loop: longer files would hold up other rollouts.
const LONGEST_JSON = 2_000_000;
const LONGEST_YAML = 200_000;
const LONGEST_PYTHON = 2_000_000;

const PYTHON = `import ast,sys
try: ast.parse(sys.stdin.buffer.read(), sys.argv[1])
except SyntaxError as e: print("%s: %s (line %s, column %s)" % (type(e).__name__, e.msg, e.lineno, e.offset)); sys.exit(1)
except ValueError as e: print(e); sys.exit(1)`;
const TOML = `import sys
try: import tomllib
except ImportError: sys.exit(3)
try: tomllib.loads(sys.stdin.buffer.read().decode())
except ValueError as e: print(e); sys.exit(1)`;

/** Checks the content of a file by the ending of its name. */
export async function lint(path: string, bytes: Uint8Array, sandbox: Sandbox, holder: StateHolder): Promise<Lint> {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  switch (ending) {
    case "json":
      return bytes.length > LONGEST_JSON ? tooLong : lintJson(textOf(bytes));
    case "yaml":
    case "yml":
      return bytes.length > LONGEST_YAML ? tooLong : lintYaml(textOf(bytes));
    case "py":
      return bytes.length > LONGEST_PYTHON ? tooLong : lintByPython(PYTHON, path, bytes, sandbox, holder);
    case "toml":
      return bytes.length > LONGEST_PYTHON ? tooLong : lintByPython(TOML, path, bytes, sandbox, holder);
    default:
      return {
        status: "skipped",
        message: ending === "" ? "No linter for this file" : `No linter for .${ending} files`,
      };
  }
}

const tooLong: Lint = { status: "skipped", message: "The file is too long to be checked" };
const ok: Lint = { status: "ok", output: "" };
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function lintJson(text: string): Lint {
  try {
    JSON.parse(text);
    return ok;
  } catch (error) {
    return { status: "error", output: `JSONDecodeError: ${errorMessage(error)}` };
  }
}

async function lintYaml(text: string): Promise<Lint> {
  const { parseAllDocuments } = await import("yaml");
  const documents = parseAllDocuments(text, { logLevel: "silent" });
  const errors = "errors" in documents ? [] : documents.flatMap((document) => document.errors);
  return errors.length === 0
    ? ok
    : {
        status: "error",
        output: errors
          .map((error) => error.message)
          .slice(0, 5)
          .join("\n"),
      };
}

async function lintByPython(
  script: string,
  path: string,
  bytes: Uint8Array,
  sandbox: Sandbox,
  holder: StateHolder,
): Promise<Lint> {
  const python = holder.state("lint-python", () => ({ missing: false }));
  if (python.missing) return { status: "skipped", message: "python3 is not available in the sandbox" };
  try {
    const { stdout, exitCode } = await sandbox.exec(["python3", "-I", "-c", script, path], {
      stdin: bytes,
      timeoutMs: 10_000,
      maxBytes: 10_000,
    });
    if (exitCode === 0) return ok;
    if (exitCode === 1) return { status: "error", output: stdout.trim() };
    python.missing = exitCode === 127;
  } catch (error) {
    if (endsRollout(error)) throw error;
    python.missing = true;
  }
  return { status: "skipped", message: "python3 with the needed modules is not available in the sandbox" };
}
