/**
 * The thread that holds a SQLite database, so that waiting for the disk never holds up the server. It answers each
 * message with one of the same id. Saves that arrive together are one transaction each, in order; a save that is
 * answered is on disk (WAL, synchronous = FULL).
 */
import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { prepareToWrite, type SqliteSave, saveInto } from "./sqlite-save.ts";

export type SqliteRequest =
  | { id: number; type: "save"; saves: SqliteSave[] }
  | { id: number; type: "load"; run: string }
  | { id: number; type: "payloads"; run: string; groups: number[] }
  | { id: number; type: "runs" }
  | { id: number; type: "close" };

export type SqliteAnswer = { id: number; result: unknown } | { id: number; error: { message: string; code: string } };

const SCHEMA_VERSION = 1;

const { file, readonly } = workerData as { file: string; readonly: boolean };
const db = new Database(file, { readonly });
db.pragma("busy_timeout = 5000");
// Held as long as the thread lives: two servers that write one file would each believe in a state of their own. The
// variable keeps the collector from closing it.
const lock = readonly ? null : takeLock();
if (lock) prepareDatabase();

const statements = {
  load: db.prepare("SELECT tbl, id, body FROM rows WHERE run = ?"),
  payload: db.prepare("SELECT data FROM payloads WHERE run = ? AND id = ?").pluck(),
  runs: db.prepare("SELECT run FROM rows WHERE tbl = 'run' ORDER BY run").pluck(),
};

function takeLock(): Database.Database {
  const held = new Database(`${file}.lock`);
  held.exec("BEGIN EXCLUSIVE");
  return held;
}

function prepareDatabase(): void {
  // Groups are long: larger pages, and a checkpoint every 64 MB instead of every second group.
  db.pragma("page_size = 16384");
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 4096");
  db.pragma("journal_size_limit = 67108864");
  prepareToWrite(db);
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > SCHEMA_VERSION) {
    throw Object.assign(new Error(`${file} was written by a newer Lachesis (schema ${version}).`), { code: "NEWER" });
  }
  db.exec(`
    CREATE TABLE IF NOT EXISTS rows (run TEXT, tbl TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (run, tbl, id)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS payloads (run TEXT, id INTEGER, data BLOB NOT NULL, PRIMARY KEY (run, id));
    CREATE INDEX IF NOT EXISTS runs ON rows (run) WHERE tbl = 'run';
  `);
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
}

const save = readonly ? null : saveInto(db);

function answer(request: SqliteRequest): unknown {
  switch (request.type) {
    case "save":
      return save!(request.saves);
    case "load":
      return statements.load.all(request.run);
    case "payloads":
      return request.groups.map((group) => statements.payload.get(request.run, group) ?? null);
    case "runs":
      return statements.runs.all();
    case "close":
      db.close();
      return void lock?.close();
  }
}

parentPort!.on("message", (request: SqliteRequest) => {
  try {
    const result = answer(request) ?? null;
    parentPort!.postMessage({ id: request.id, result } satisfies SqliteAnswer);
  } catch (error) {
    const { message, code = "" } = error as Error & { code?: string };
    parentPort!.postMessage({ id: request.id, error: { message, code } } satisfies SqliteAnswer);
  }
});
parentPort!.postMessage({ id: 0, result: "ready" } satisfies SqliteAnswer);
