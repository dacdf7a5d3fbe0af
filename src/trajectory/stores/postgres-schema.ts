/** The tables of the Postgres store and how an older database becomes a present one. */
import type { PoolClient } from "pg";
import { LachesisError } from "../../core/index.ts";

/** Each entry leads from the version of its index to the next; what stands here is never changed, only added to. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE lachesis_runs (
     run text PRIMARY KEY,
     -- grows with every change of the run's rows
     version bigint NOT NULL DEFAULT 0,
     -- grows when the run is cleared: whoever holds an older one reads everything anew
     epoch bigint NOT NULL DEFAULT 0,
     -- notes of deleted rows below this version are gone
     swept bigint NOT NULL DEFAULT 0
   );
   CREATE TABLE lachesis_rows (
     run text NOT NULL,
     tbl text NOT NULL,
     id text NOT NULL,
     -- null notes that the row was deleted, for replicas that still hold it
     body json,
     version bigint NOT NULL,
     PRIMARY KEY (run, tbl, id)
   );
   CREATE INDEX lachesis_rows_by_version ON lachesis_rows (run, version);
   CREATE TABLE lachesis_payloads (
     run text NOT NULL,
     id bigint NOT NULL,
     data bytea NOT NULL,
     PRIMARY KEY (run, id)
   );
   ALTER TABLE lachesis_payloads ALTER COLUMN data SET STORAGE EXTERNAL`,
];

/** Any number: replicas that start together must not migrate at once. */
const LOCK = 7_226_348_001;

/** A role that may not change tables can work on a database that another one has migrated. */
export async function migrate(client: PoolClient): Promise<void> {
  const { rows } = await client.query<{ found: boolean }>("SELECT to_regclass('lachesis_schema') IS NOT NULL AS found");
  if (rows[0]!.found && (await versionOf(client)) === MIGRATIONS.length) return;
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await client.query("CREATE TABLE IF NOT EXISTS lachesis_schema (version integer NOT NULL)");
    const version = await versionOf(client);
    for (const migration of MIGRATIONS.slice(version ?? 0)) await client.query(migration);
    const statement =
      version === null ? "INSERT INTO lachesis_schema VALUES ($1)" : "UPDATE lachesis_schema SET version = $1";
    await client.query(statement, [MIGRATIONS.length]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/** null before the first migration. Throws `config_invalid` for a version that is not known here. */
async function versionOf(client: PoolClient): Promise<number | null> {
  const { rows } = await client.query<{ version: number }>("SELECT version FROM lachesis_schema");
  const version = rows[0]?.version ?? null;
  if (version !== null && version > MIGRATIONS.length) {
    throw new LachesisError("config_invalid", `The database was written by a newer Lachesis (schema ${version}).`);
  }
  return version;
}
