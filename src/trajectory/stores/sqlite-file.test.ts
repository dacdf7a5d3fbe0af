import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunState } from "../state/run-state.ts";
import { submit } from "../state/submits.ts";
import { openStore } from "./open.ts";
import { SaveQueue } from "./save-queue.ts";
import { SmallSaves } from "./small-saves.ts";
import { prepareToWrite } from "./sqlite-save.ts";
import { SqliteThread } from "./sqlite-thread.ts";
import type { Store } from "./store.ts";

let folder = "";
let file = "";
const opened: Store[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sqlite-file-"));
  file = join(folder, "api.db");
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(path = file): Promise<Store> {
  const store = await openStore(`sqlite:${path}`);
  opened.push(store);
  return store;
}

const add = (store: Store, text: string) =>
  store.update("r", (state: RunState) =>
    submit(state, [{ env: null, size: 1, weights: null, payload: Buffer.from(text) }], { groups: 9, bytes: 1e9 }, 1),
  );
const groups = (store: Store) => store.read("r", (state) => [...state.groups.keys()]);

it.each([
  ["the column had been added", "data BLOB,", 1],
  ["nothing had been noted", "", 0],
])("takes a file whose making or moving was cut short when %s", async (_, column, version) => {
  const old = new Database(file);
  old.exec(`
    CREATE TABLE rows (run TEXT, tbl TEXT, id TEXT, body TEXT NOT NULL, ${column} PRIMARY KEY (run, tbl, id)) WITHOUT ROWID;
    PRAGMA user_version = ${version};
  `);
  old.close();
  const store = await open();
  await add(store, "a");
  expect(Buffer.from((await store.payloads("r", [0]))[0]!).toString()).toBe("a");
});

it("knows a file that another server holds by any of its names, and leaves its journal alone", async () => {
  await add(await open(), "a");
  const other = join(folder, "other.db");
  symlinkSync("api.db", other);
  const journal = readFileSync(`${file}-wal`);
  await expect(openStore(`sqlite:${other}`)).rejects.toMatchObject({ code: "conflict" });
  expect(readFileSync(`${file}-wal`).equals(journal)).toBe(true);
}, 20_000);

it("finds everything in a copy of the file and its journal", async () => {
  const store = await open();
  const long = "x".repeat(100_000);
  await add(store, "a");
  await add(store, long);
  const copy = join(folder, "copy.db");
  for (const end of ["", "-wal"]) writeFileSync(copy + end, readFileSync(file + end));
  const restored = await open(copy);
  const payloads = await restored.payloads("r", await groups(restored));
  expect(payloads.map((bytes) => Buffer.from(bytes).toString())).toEqual(["a", long]);
});

it("refuses a file that it cannot take, and changes nothing in it", async () => {
  const newer = new Database(file);
  newer.exec("CREATE TABLE t (x); PRAGMA user_version = 99");
  newer.close();
  const text = join(folder, "notes.txt");
  writeFileSync(text, "These are notes.\n".repeat(1000));
  mkdirSync(join(folder, "folder"));
  for (const [path, message] of [
    [file, /newer Lachesis/],
    [text, /another kind of file/],
    [join(folder, "folder"), /cannot be opened/],
    [join(folder, "none", "api.db"), /cannot be opened/],
    [":memory:", /--store memory:/],
  ] as const) {
    const before = path === file || path === text ? readFileSync(path) : null;
    await expect(openStore(`sqlite:${path}`)).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringMatching(message),
    });
    if (before) expect(readFileSync(path).equals(before)).toBe(true);
  }
});

it("answers others while another program writes into the file, and saves when it is done", async () => {
  const store = await open();
  await add(store, "a");
  const program = new Database(file);
  program.exec("BEGIN IMMEDIATE");
  const order: string[] = [];
  const saved = add(store, "b").then(() => order.push("saved"));
  const answered = store.read("r", () => order.push("answered"));
  await Promise.all([answered, sleep(200)]);
  order.push("done");
  program.exec("COMMIT");
  program.close();
  await saved;
  expect([order, await groups(store)]).toEqual([
    ["answered", "done", "saved"],
    [0, 1],
  ]);
});

it("saves nothing once the thread that holds the lock is gone", async () => {
  const thread = new SqliteThread(file);
  await thread.ready;
  const small = new SmallSaves(file);
  const queue = new SaveQueue(thread, small, () => {});
  const save = { run: "r", rows: [{ table: "run", id: "run", body: "{}" }] };
  await queue.add(save);
  await thread.close();
  await expect(queue.add(save)).rejects.toMatchObject({ code: "internal" });
  small.close();
});

it("syncs the journal at each save", () => {
  new Database(file).pragma("journal_mode = WAL");
  const db = new Database(file);
  prepareToWrite(db);
  db.exec("CREATE TABLE t (x)");
  expect(db.pragma("synchronous", { simple: true })).toBe(2);
  db.close();
});
