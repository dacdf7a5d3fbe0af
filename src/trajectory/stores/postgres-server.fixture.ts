/** A private PostgreSQL for tests: its own data in a temporary folder, a unix socket, no TCP. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface PostgresServer {
  /** Address of an empty database of this name. */
  database(name: string): string;
  /** Breaks off everything that is under way, as a crash would, and starts again. */
  restart(): Promise<void>;
  stop(): void;
}

/** null where the server's programs (Debian: postgresql) are not installed. */
export function startPostgres(): PostgresServer | null {
  const bin = findPrograms();
  if (!bin) return null;
  const folder = mkdtempSync(join(tmpdir(), "lachesis-pg-"));
  const root = process.getuid?.() === 0;
  if (root) execFileSync("chown", ["postgres", folder]);
  else chmodSync(folder, 0o700);
  // The server refuses to run as root.
  const command = (program: string, args: string[]): [string, string[]] =>
    root
      ? ["setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", join(bin, program), ...args]]
      : [join(bin, program), args];
  const run = (program: string, ...args: string[]) =>
    execFileSync(...command(program, args), { cwd: folder, stdio: "ignore" });
  const data = join(folder, "data");
  run("initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync");
  const settings = `-c listen_addresses='' -c unix_socket_directories='${folder}' -c fsync=off -c max_connections=60`;
  run("pg_ctl", "-D", data, "-w", "-l", join(folder, "log"), "-o", settings, "start");
  return {
    database(name) {
      run("createdb", "-h", folder, "-U", "test", name);
      return `postgres://test@localhost/${name}?host=${encodeURIComponent(folder)}`;
    },
    async restart() {
      const args = ["-D", data, "-m", "immediate", "-w", "-l", join(folder, "log"), "-o", settings, "restart"];
      await once(spawn(...command("pg_ctl", args), { cwd: folder, stdio: "ignore" }), "exit");
    },
    stop() {
      run("pg_ctl", "-D", data, "-m", "immediate", "stop");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function findPrograms(): string | null {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort().reverse() : [];
  const folders = [
    ...versions.map((version) => `/usr/lib/postgresql/${version}/bin`),
    ...(process.env.PATH ?? "").split(":"),
  ];
  return (
    folders.find((folder) => ["initdb", "pg_ctl", "createdb"].every((name) => existsSync(join(folder, name)))) ?? null
  );
}
