/** Stores by their address. */
import { LachesisError } from "../../core/index.ts";
import { memoryStore } from "./memory-store.ts";
import { sqliteStore } from "./sqlite-store.ts";
import type { Store } from "./store.ts";

/**
 * `sqlite:FILE`, `postgres://…` or `memory:`. Throws `config_invalid` for anything else, `conflict` for a file that
 * another process holds.
 */
export async function openStore(address: string): Promise<Store> {
  if (address === "memory:" || address === "memory") return memoryStore();
  if (address.startsWith("sqlite:") && address.length > "sqlite:".length)
    return sqliteStore(address.slice("sqlite:".length));
  if (/^postgres(ql)?:\/\//.test(address)) {
    const { postgresStore } = await import("./postgres-store.ts");
    return postgresStore(address);
  }
  throw new LachesisError("config_invalid", `--store ${address}: expected sqlite:FILE, postgres://… or memory:.`);
}
