/** How the plain backend starts a command: its argument vector, its scrubbed environment, its pseudo-terminal. */
import type { SandboxOptions } from "../contract.ts";

/** An argument vector that sends stderr into stdout, or runs on a pseudo-terminal made by script(1), when asked to. */
export function argumentVector(
  command: string | readonly string[],
  how: { merge: boolean; pty?: { rows: number; cols: number } | undefined },
): string[] {
  const plain = typeof command === "string" ? ["bash", "-c", command] : [...command];
  if (how.pty) {
    const inner = `stty rows ${how.pty.rows} cols ${how.pty.cols} 2>/dev/null; exec ${plain.map(quote).join(" ")}`;
    return ["script", "-q", "-e", "-f", "-c", inner, "/dev/null"];
  }
  return how.merge ? ["bash", "-c", 'exec "$@" 2>&1', "bash", ...plain] : plain;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The environment of every command: nothing of the host's but where its programs are. */
export function scrubbedEnvironment(
  options: Pick<SandboxOptions, "env">,
  places: { home: string; tmp: string },
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    HOME: places.home,
    TMPDIR: places.tmp,
    LANG: "C.UTF-8",
    TERM: "dumb",
    USER: "agent",
    ...options.env,
  };
}
