/**
 * Small saves on the server's own thread: waking another thread and being woken by it costs more than such a save
 * itself. Only while the disk is quick, and never so often that its journal grows: those that are due to move it into the
 * database belong to the other thread.
 */
import Database from "better-sqlite3";
import { prepareToWrite, type SqliteSave, saveInto } from "./sqlite-save.ts";

const MOST_BYTES = 64 * 1024;
const MOST_ROWS = 100;
/** A save that took longer held up everybody: the next ones go to the other thread for a while. */
const SLOW_MS = 15;
const SLOW_FOR_MS = 2_000;
/** Of the journal, at the most; after so many the other thread has a turn, which moves the journal if it is long. */
const TURN_BYTES = 32 * 1024 ** 2;
/** Pages of the indexes, and one for each row. */
const BYTES_PER_SAVE = 64 * 1024;
const BYTES_PER_ROW = 16 * 1024;

export class SmallSaves {
  readonly #db: Database.Database;
  readonly #save: (saves: SqliteSave[]) => void;
  #quickAgainAt = 0;
  #written = 0;

  /** The file must have been prepared by the thread that writes it otherwise. */
  constructor(file: string) {
    this.#db = new Database(file, { fileMustExist: true });
    prepareToWrite(this.#db);
    // Another program that writes into the file is waited for on the other thread: here everybody would wait.
    this.#db.pragma("busy_timeout = 0");
    this.#db.pragma("wal_autocheckpoint = 0");
    this.#db.pragma("cache_size = -4096");
    this.#save = saveInto(this.#db);
  }

  /** Whether these are to be saved here. Asked once for each; a no gives the turn to the other thread. */
  takes(saves: readonly SqliteSave[]): boolean {
    if (this.#written >= TURN_BYTES) {
      this.#written = 0;
      return false;
    }
    if (performance.now() < this.#quickAgainAt) return false;
    let bytes = 0;
    let rows = 0;
    for (const save of saves) {
      rows += save.rows.length;
      if (rows > MOST_ROWS) return false;
      for (const { body, payload } of save.rows) bytes += (body?.length ?? 0) + (payload?.byteLength ?? 0);
    }
    return bytes <= MOST_BYTES;
  }

  /**
   * True: on disk. False: another program is writing into the file, or the disk is full; the other thread, which can wait
   * and make room, must save them. Then, and when it throws, nothing was kept.
   */
  save(saves: SqliteSave[]): boolean {
    const begin = performance.now();
    const rows = saves.reduce((sum, save) => sum + save.rows.length, 0);
    this.#written += BYTES_PER_SAVE + rows * BYTES_PER_ROW;
    try {
      this.#save(saves);
    } catch (error) {
      const { code = "" } = error as { code?: string };
      if (code.startsWith("SQLITE_BUSY") || code === "SQLITE_FULL") return false;
      throw error;
    } finally {
      const end = performance.now();
      if (end - begin > SLOW_MS) this.#quickAgainAt = end + SLOW_FOR_MS;
    }
    return true;
  }

  close(): void {
    this.#db.close();
  }
}
