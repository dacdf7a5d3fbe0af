import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { Client } from "pg";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { LachesisError } from "../../core/index.ts";
import type { RunRegistration } from "../contract.ts";
import { ackBatch, leaseBatch, mayLease, nackBatch } from "../state/batches.ts";
import { registerEnv, registerTrainer, resetRun, silentEnvs } from "../state/membership.ts";
import type { RunState } from "../state/run-state.ts";
import { describeRun, runStatus } from "../state/status.ts";
import { submit } from "../state/submits.ts";
import { openStore } from "./open.ts";
import { startPostgres } from "./postgres-server.fixture.ts";
import type { Store } from "./store.ts";

const postgres = startPostgres();
if (!postgres)
  process.stderr.write("The Postgres store is not tested: initdb and pg_ctl are missing (apt: postgresql).\n");
afterAll(() => postgres?.stop());

const folders: string[] = [];
const opened: Store[] = [];
let databases = 0;
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function freshAddress(kind: string): string {
  if (kind === "memory") return "memory:";
  if (kind === "postgres") return postgres!.database(`test${databases++}`);
  const folder = mkdtempSync(join(tmpdir(), "store-"));
  folders.push(folder);
  return `sqlite:${join(folder, "api.db")}`;
}

async function open(address: string): Promise<Store> {
  const store = await openStore(address);
  opened.push(store);
  return store;
}

async function close(store: Store): Promise<void> {
  opened.splice(opened.indexOf(store), 1);
  await store.close();
}

const REGISTRATION: RunRegistration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 4,
  max_token_len: 9,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 9,
};
const BOUNDS = { groups: 1000, bytes: 1e9 };
const payload = (text: string) => {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
};
const add = (store: Store, texts: readonly string[], run = "r", size = 2, env: number | null = null) =>
  store.update(run, (state) =>
    submit(
      state,
      texts.map((text) => ({ env, size, weights: null, payload: payload(text) })),
      BOUNDS,
      1000,
    ),
  );
const register = (store: Store, run = "r") => store.update(run, (state) => registerTrainer(state, REGISTRATION, "1"));
const lease = (store: Store, run = "r", now = 1000, trainer = "t") =>
  store.update(run, (state) => leaseBatch(state, trainer, 500, now));
const texts = async (store: Store, groups: readonly number[], run = "r") =>
  (await store.payloads(run, groups)).map((bytes) => Buffer.from(bytes).toString());

const kinds = ["memory", "sqlite", ...(postgres ? ["postgres"] : [])];

describe.each(kinds)("store %s", (kind) => {
  it("gives batches with the payloads that were put in, in order, and lets them go when they are acknowledged", async () => {
    const store = await open(freshAddress(kind));
    await register(store);
    const long = "é".repeat(40_000);
    await add(store, ["a", long, "ç", "d"]);
    const first = (await lease(store))!;
    expect(await texts(store, first.groups)).toEqual(["a", long]);
    await store.update("r", (state) => ackBatch(state, first.id, 1000));
    await expect(store.payloads("r", first.groups)).rejects.toMatchObject({ code: "not_found" });
    const second = (await lease(store))!;
    expect(await texts(store, second.groups)).toEqual(["ç", "d"]);
    expect([second.step, await lease(store)]).toEqual([2, null]);
  });

  it("keeps nothing of work that throws, before or after it wrote", async () => {
    const store = await open(freshAddress(kind));
    await register(store);
    await add(store, ["a"]);
    const fail = () => {
      throw new LachesisError("conflict", "no");
    };
    await expect(store.update("r", fail)).rejects.toMatchObject({ code: "conflict" });
    const both = store.update("r", (state) => {
      submit(state, [{ env: null, size: 2, weights: null, payload: payload("lost") }], BOUNDS, 1);
      fail();
    });
    const beside = add(store, ["b"]);
    await expect(both).rejects.toMatchObject({ code: "conflict" });
    await beside;
    expect(await store.read("r", runStatus)).toEqual({ current_step: 0, queue_size: 2 });
    const batch = (await lease(store))!;
    expect(await texts(store, batch.groups)).toEqual(["a", "b"]);
  });

  it("keeps runs apart, lists them, and forgets what is reset", async () => {
    const store = await open(freshAddress(kind));
    await register(store, "one");
    await register(store, "two");
    await add(store, ["1", "1"], "one");
    await add(store, ["2"], "two");
    expect(await store.runs()).toEqual(["one", "two"]);
    await store.update("one", (state) => resetRun(state, 1));
    expect(await store.read("one", runStatus)).toEqual({ current_step: 0, queue_size: 0 });
    expect(await store.read("two", runStatus)).toEqual({ current_step: 0, queue_size: 1 });
    await add(store, ["again"], "one");
    expect(await texts(store, [0], "one")).toEqual(["again"]);
    await store.update("two", (state) => state.clear(1));
    expect(await store.runs()).toEqual(["one"]);
    expect(await store.read("never", runStatus)).toEqual({ current_step: 0, queue_size: 0 });
    expect(await store.runs()).toEqual(["one"]);
  });

  it("calls those who watch a run when it changed, and nobody else", async () => {
    const store = await open(freshAddress(kind));
    const heard: string[] = [];
    const changed = new Promise<void>((resolve) => {
      store.watch("r", () => {
        heard.push("r");
        resolve();
      });
    });
    store.watch("other", () => heard.push("other"));
    await register(store);
    await changed;
    expect(heard).not.toContain("other");
  });

  it("does much at once, each group once", async () => {
    const store = await open(freshAddress(kind));
    await register(store);
    await Promise.all(Array.from({ length: 100 }, (_, index) => add(store, [`g${index}`])));
    const leases = await Promise.all(Array.from({ length: 50 }, () => lease(store)));
    const got = (await Promise.all(leases.map((batch) => texts(store, batch!.groups)))).flat();
    expect(got.sort()).toEqual(Array.from({ length: 100 }, (_, index) => `g${index}`).sort());
    expect(await lease(store)).toBeNull();
  });

  it("gives one who does not stand in line the run, or nothing", async () => {
    const store = await open(freshAddress(kind));
    await register(store);
    await add(store, ["a", "b"]);
    const tries = await Promise.all(
      Array.from({ length: 5 }, () => store.tryUpdate("r", (state, now) => leaseBatch(state, "t", 500, now))),
    );
    expect(tries.filter((batch) => batch !== null)).toHaveLength(1);
  });

  it("tells the time, onward", async () => {
    const store = await open(freshAddress(kind));
    const times: number[] = [];
    for (let look = 0; look < 3; look++) times.push(await store.update("r", (_, now) => now));
    times.push(await store.read("r", (_, now) => now));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.abs(times[0]! - Date.now())).toBeLessThan(600_000);
  });

  if (kind === "sqlite") {
    it.each([
      ["long ago", -1e9],
      ["in the future", 1e9],
    ])(
      "gives leases, keys and environments their whole time again after a restart, when they were written %s",
      async (_, shift) => {
        const address = freshAddress(kind);
        const before = await open(address);
        const then = Date.now() + shift;
        await register(before);
        await lease(before, "r", then);
        await add(before, ["a", "b"]);
        const env = { max_token_length: 9, desired_name: "e", weight: 1, group_size: 2, min_batch_allocation: null };
        await before.update("r", (state) => {
          registerEnv(state, env, then);
          state.put({ table: "key", id: "submit:k", body: { hash: "h", answer: [], at: then } });
        });
        const held = (await lease(before, "r", then))!;
        await close(before);
        const after = await open(address);
        const { silent, at, until, now } = await after.read("r", (state, now) => ({
          silent: silentEnvs(state, now, 60_000),
          at: state.keys.get("submit:k")!.at,
          until: [...state.batches.values()][0]!.lease!.until,
          now,
        }));
        expect([silent, Math.abs(now - at) < 60_000, until <= now + 500, until > now - 60_000]).toEqual([
          [],
          true,
          true,
          true,
        ]);
        expect(await after.update("r", (state, at) => leaseBatch(state, "other", 500, at - 60_000))).toBeNull();
        const again = await after.update("r", (state, at) => leaseBatch(state, "other", 500, at + 60_000));
        expect(again!.groups).toEqual(held.groups);
      },
    );
  }

  it("takes a lease of a clock that was set back for one that begins now", async () => {
    const store = await open(freshAddress(kind));
    await register(store);
    await add(store, ["a", "b"]);
    await lease(store, "r", 1e12);
    expect([await lease(store, "r", 1000), await lease(store, "r", 1400)]).toEqual([null, null]);
    expect(await store.read("r", (state) => mayLease(state, 1600))).toBe(true);
    expect((await lease(store, "r", 1600))!.groups).toEqual([0, 1]);
  });

  if (kind !== "memory") {
    it("holds everything across a restart", async () => {
      const address = freshAddress(kind);
      const before = await open(address);
      await register(before);
      await lease(before);
      const env = { max_token_length: 9, desired_name: "e", weight: 1, group_size: 4, min_batch_allocation: null };
      await before.update("r", (state) => registerEnv(state, env, 1000));
      const long = "b".repeat(100_000);
      await add(before, ["a", long, "c", "d", "e"]);
      await add(before, ["buffered"], "r", 2, 0);
      const held = (await lease(before))!;
      const describe = (state: RunState) => {
        const { envs, ...rest } = describeRun(state);
        return { ...rest, envs: envs.map(({ last_seen: _, ...env }) => env) };
      };
      const told = await before.read("r", describe);
      await close(before);
      const after = await open(address);
      expect(await after.read("r", describe)).toEqual(told);
      expect(await after.update("r", (state) => nackBatch(state, held.id))).toBe("nacked");
      const again = (await lease(after))!;
      expect([again.groups, again.step]).toEqual([held.groups, held.step]);
      expect(await texts(after, again.groups)).toEqual(["a", long]);
      const next = (await lease(after))!;
      expect(await texts(after, next.groups)).toEqual(["c", "d"]);
    });
  }
});

describe("store sqlite", () => {
  it("takes over a file of the first schema, in which payloads stand by themselves", async () => {
    const address = freshAddress("sqlite");
    const old = new Database(address.slice("sqlite:".length));
    old.exec(`
      CREATE TABLE rows (run TEXT, tbl TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (run, tbl, id)) WITHOUT ROWID;
      CREATE TABLE payloads (run TEXT, id INTEGER, data BLOB NOT NULL, PRIMARY KEY (run, id));
      PRAGMA user_version = 1;
    `);
    const memory = await open("memory:");
    await register(memory);
    await add(memory, ["a", "b", "c"]);
    const rows = await memory.read("r", ({ run, groups }) => [
      ["run", "run", run],
      ...[...groups].map(([id, group]) => ["group", String(id), group]),
    ]);
    for (const [table, id, body] of rows)
      old.prepare("INSERT INTO rows VALUES ('r', ?, ?, ?)").run(table, id, JSON.stringify(body));
    ["a", "b", "c"].forEach((text, id) => {
      old.prepare("INSERT INTO payloads VALUES ('r', ?, ?)").run(id, Buffer.from(text));
    });
    old.close();
    const store = await open(address);
    await add(store, ["d"]);
    const first = (await lease(store))!;
    expect(await texts(store, first.groups)).toEqual(["a", "b"]);
    await store.update("r", (state) => ackBatch(state, first.id, 1000));
    await expect(store.payloads("r", first.groups)).rejects.toMatchObject({ code: "not_found" });
    expect(await texts(store, (await lease(store))!.groups)).toEqual(["c", "d"]);
  });
});

describe.skipIf(!postgres)("store postgres", () => {
  it("serves several replicas as if they were one", async () => {
    const address = freshAddress("postgres");
    const [one, two] = [await open(address), await open(address)];
    await register(one);
    const heard = new Promise<void>((resolve) => void two.watch("r", resolve));
    await Promise.all(Array.from({ length: 60 }, (_, index) => add(index % 2 ? one : two, [`g${index}`])));
    await heard;
    expect(await two.read("r", runStatus)).toEqual({ current_step: 0, queue_size: 60 });
    const leases = await Promise.all(Array.from({ length: 30 }, (_, index) => lease(index % 2 ? one : two)));
    const got = (await Promise.all(leases.map((batch) => texts(one, batch!.groups)))).flat();
    expect(got.sort()).toEqual(Array.from({ length: 60 }, (_, index) => `g${index}`).sort());
    await two.update("r", (state) => ackBatch(state, leases[0]!.id, 1000));
    expect(await one.update("r", (state) => ackBatch(state, leases[0]!.id, 1000))).toBe("acked");
    await one.update("r", (state) => state.clear(1));
    expect(await two.read("r", runStatus)).toEqual({ current_step: 0, queue_size: 0 });
    expect((await two.read("r", describeRun)).registration).toBeNull();
  });

  it("goes on when the database broke off everything, with all that it had taken", async () => {
    const address = freshAddress("postgres");
    const store = await open(address);
    await register(store);
    let taken = 0;
    let refused = 0;
    const works = async () => {
      for (let round = 0; round < 200 && refused < 20; round++) {
        await add(store, ["x".repeat(5_000)]).then(
          () => taken++,
          (error: LachesisError) => {
            expect(error.code).toBe("api_unavailable");
            refused++;
          },
        );
      }
    };
    await Promise.all([works(), works(), postgres!.restart()]);
    let heard = () => {};
    const hears = new Promise<void>((resolve) => {
      heard = resolve;
    });
    store.watch("r", heard);
    const other = await open(address);
    expect((await other.read("r", (state) => state.groups.size)) >= taken).toBe(true);
    await add(other, ["y"]);
    await hears;
    const ids = await store.read("r", (state) => [...state.groups.keys()]);
    expect(await store.payloads("r", ids)).toHaveLength(ids.length);
  }, 30_000);

  it("lets servers that start together make the tables once, and one that may not make tables use them", async () => {
    const address = freshAddress("postgres");
    const [store] = await Promise.all(Array.from({ length: 4 }, () => open(address)));
    await register(store!);
    const admin = new Client({ connectionString: address });
    await admin.connect();
    await admin.query("CREATE ROLE worker LOGIN");
    await admin.query("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker");
    await admin.query("ALTER ROLE worker SET default_transaction_isolation = 'serializable'");
    await admin.query("ALTER ROLE worker SET synchronous_commit = off");
    await admin.query("ALTER TABLE lachesis_rows ADD CHECK (current_setting('synchronous_commit') <> 'off')");
    await admin.end();
    const workers = await Promise.all([1, 2].map(() => open(address.replace("test@", "worker@"))));
    await Promise.all(Array.from({ length: 20 }, (_, index) => add(workers[index % 2]!, ["a"])));
    expect(await store!.read("r", runStatus)).toEqual({ current_step: 0, queue_size: 20 });
  });

  it("ends although the database has gone without a word", async () => {
    const { pathname, searchParams } = new URL(freshAddress("postgres"));
    const halves: Socket[] = [];
    const way = createServer((client) => {
      const database = connect(join(searchParams.get("host")!, ".s.PGSQL.5432"));
      halves.push(client, database);
      client.pipe(database).pipe(client);
    });
    await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
    const { port } = way.address() as { port: number };
    const store = await openStore(`postgres://test@127.0.0.1:${port}${pathname}`);
    await register(store);
    for (const half of halves) half.unpipe().pause();
    const submitted = expect(add(store, ["a"])).rejects.toMatchObject({ code: "api_unavailable" });
    await sleep(100);
    await store.close();
    await submitted;
    for (const half of halves) half.destroy();
    way.close();
  });

  it("says what is wrong where there is no database", async () => {
    await expect(openStore("postgres://test@localhost/none?host=/nonexistent")).rejects.toMatchObject({
      code: "api_unavailable",
    });
  });
});
