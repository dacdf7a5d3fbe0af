/** What a database says, in the words of ours. */
import { errorMessage, LachesisError } from "../../core/index.ts";

/** Full disks and lost connections are told apart from faults of ours; the address with its password is never shown. */
export function postgresError(error: unknown): LachesisError {
  if (error instanceof LachesisError) return error;
  const code = (error as { code?: string }).code ?? "";
  if (code === "53100") return new LachesisError("disk_full", "The database's disk is full.", { cause: error });
  return new LachesisError("api_unavailable", `The database does not take it: ${errorMessage(error)}`, {
    cause: error,
  });
}
