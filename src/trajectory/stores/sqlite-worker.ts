/**
 * The thread that holds a SQLite database, so that waiting for the disk never holds up the server. It answers each
 * message with one of the same id. Saves that arrive together are one transaction each, in order; a save that is
 * answered is on disk (WAL, synchronous = FULL).
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, statfsSync, writeSync } from "node:fs";
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

const SCHEMA_VERSION = 2;
/** The journal moves into the database when it holds 16 MB, and is a bit longer when that is late. */
const JOURNAL_BYTES = 24 * 1024 ** 2;
/** Where less is free, the journal takes only what it needs: the database must be able to grow. */
const ROOM_BYTES = 10 * JOURNAL_BYTES;

const { file, readonly } = workerData as { file: string; readonly: boolean };
const db = new Database(file, { readonly });
db.pragma("busy_timeout = 5000");
/** Where the file is in truth: one file under two names (links) must have one lock. */
const place = (db.pragma("database_list") as { file: string }[])[0]!.file;
// Held as long as the thread lives: two servers that write one file would each believe in a state of their own. The
// variable keeps the collector from closing it.
const lock = readonly ? null : takeLock();
if (lock) prepareDatabase();

const statements = {
  load: db.prepare("SELECT tbl, id, body FROM rows WHERE run = ?"),
  inline: db.prepare("SELECT data FROM rows WHERE run = ? AND tbl = 'group' AND id = ?").pluck(),
  payload: db.prepare("SELECT data FROM payloads WHERE run = ? AND id = ?").pluck(),
  runs: db.prepare("SELECT run FROM rows WHERE tbl = 'run' ORDER BY run").pluck(),
};

function takeLock(): Database.Database {
  if (place === "") throw refusal("A database in memory is no file: use --store memory:.");
  const held = new Database(`${place}.lock`);
  held.exec("BEGIN EXCLUSIVE");
  return held;
}

function prepareDatabase(): void {
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > SCHEMA_VERSION) {
    throw refusal(`${file} was written by a newer Lachesis (schema ${version}).`);
  }
  // Groups are long: larger pages, and a checkpoint every 16 MB instead of every few groups.
  db.pragma("page_size = 16384");
  if (db.pragma("journal_mode = WAL", { simple: true }) !== "wal") {
    throw refusal(`--store sqlite:${file}: its file system has no shared memory: put it on a local disk.`);
  }
  db.pragma("wal_autocheckpoint = 1024");
  prepareToWrite(db);
  // All or nothing: a process that is killed in the middle must not leave half a schema, which the next one cannot take.
  db.transaction(() => {
    db.exec(`
      CREATE TABLE IF NOT EXISTS rows (
        run TEXT, tbl TEXT, id TEXT, body TEXT NOT NULL, data BLOB, PRIMARY KEY (run, tbl, id)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS payloads (run TEXT, id INTEGER, data BLOB NOT NULL, PRIMARY KEY (run, id));
      CREATE INDEX IF NOT EXISTS runs ON rows (run) WHERE tbl = 'run';
    `);
    // Schema 1 had every payload in a row of its own.
    const columns = db.pragma("table_info(rows)") as { name: string }[];
    if (columns.every(({ name }) => name !== "data")) db.exec("ALTER TABLE rows ADD COLUMN data BLOB");
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
  allocateJournal(`${place}-wal`);
}

function refusal(message: string): Error {
  return Object.assign(new Error(message), { code: "REFUSED" });
}

/**
 * Bytes that a file already has are made durable quicker than bytes that make it longer: their place on the disk is known.
 * SQLite reads its journal up to the first frame that is not valid, and zeros never are.
 */
function allocateJournal(journal: string): void {
  const { bavail, bsize } = statfsSync(journal);
  if (bavail * bsize < ROOM_BYTES) return;
  const handle = openSync(journal, "r+");
  const { size } = fstatSync(handle);
  try {
    const zeros = Buffer.alloc(1024 ** 2);
    let at = size;
    while (at < JOURNAL_BYTES) at += writeSync(handle, zeros, 0, Math.min(zeros.length, JOURNAL_BYTES - at), at);
    fsyncSync(handle);
  } catch {
    // No room all of a sudden, say: it is quicker with it, not better. What is left of the room is for groups.
    ftruncateSync(handle, size);
  } finally {
    closeSync(handle);
  }
}

const save = readonly ? null : saveInto(db);

/** A full disk may have room in the journal: what has moved into the database need not stand there. */
function saveWithRoom(saves: SqliteSave[]): void {
  try {
    save!(saves);
  } catch (error) {
    if ((error as { code?: string }).code !== "SQLITE_FULL") throw error;
    db.pragma("wal_checkpoint(RESTART)");
    save!(saves);
  }
}

function payloadOf(run: string, group: number): unknown {
  return statements.inline.get(run, String(group)) ?? statements.payload.get(run, group) ?? null;
}

function answer(request: SqliteRequest): unknown {
  switch (request.type) {
    case "save":
      return saveWithRoom(request.saves);
    case "load":
      return statements.load.all(request.run);
    case "payloads":
      return request.groups.map((group) => payloadOf(request.run, group));
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
