/** Failures of file operations in the sandbox, put into words for the model. What ends the rollout is not a result and is thrown on. */
import { LachesisError, toLachesisError } from "../../core/index.ts";
import { endsRollout } from "../fatal.ts";

const WORDS: Record<string, string> = {
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EPERM: "Operation not permitted",
  EISDIR: "Is a directory",
  ENOTDIR: "A part of the path is not a directory",
  ENOSPC: "No space left",
  EDQUOT: "No space left",
  EROFS: "Read-only file system",
  ELOOP: "Too many levels of symbolic links",
  ENAMETOOLONG: "File name too long",
  EINVAL: "Not a regular file",
  ETXTBSY: "The file is being executed",
};

/** The message of a failed file operation; throws on what is no failure of a file operation. */
export function fileFailure(error: unknown, path: string): string {
  const known = toLachesisError(error, "tool_failed");
  if (endsRollout(known) || known.code === "cancelled") throw known;
  if (known.code === "sandbox_disk_full") return `${path}: No space left in the sandbox`;
  const errno = known instanceof LachesisError ? known.details.errno : undefined;
  const words = typeof errno === "string" ? WORDS[errno] : undefined;
  return words ? `${path}: ${words}` : known.message;
}
