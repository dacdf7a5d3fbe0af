/**
 * Edits of long files run in a thread of their own, so that no other rollout of the process waits for them; short ones are done
 * at once, which is quicker than starting a thread. A file that is too much for the thread's memory ends the thread
 * and gives an error; the process goes on.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LachesisError, Semaphore } from "../../core/index.ts";
import { type EditedBytes, type EditRequest, editBytes } from "./edit-bytes.ts";
import { FileProblem } from "./file-problem.ts";

/** Up to here an edit takes a few milliseconds, also in the loosest reading. */
const LONGEST_AT_ONCE = 128 * 1024;
/** Megabytes that the thread may use for text and its line starts. */
const THREAD_MEMORY_MB = 4096;

/** What the thread answers. */
export type EditAnswer = { edited: EditedBytes } | { problem: string };

// Two long files are held in memory at once, however many rollouts there are.
const places = new Semaphore(2);

/** As `editBytes`; `bytes` stay as they are. Throws FileProblem, and `cancelled` when the signal aborts. */
export async function edit(bytes: Uint8Array, request: EditRequest, signal: AbortSignal): Promise<EditedBytes> {
  if (bytes.length <= LONGEST_AT_ONCE) return editBytes(bytes, request);
  return places.run(() => inThread(bytes, request, signal), signal);
}

function inThread(bytes: Uint8Array, request: EditRequest, signal: AbortSignal): Promise<EditedBytes> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(`./edit-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: { bytes, request },
      resourceLimits: { maxOldGenerationSizeMb: THREAD_MEMORY_MB },
    });
    const settle = (end: () => void) => {
      signal.removeEventListener("abort", onAbort);
      void worker.terminate();
      end();
    };
    const onAbort = () => settle(() => reject(new LachesisError("cancelled", "The call was cancelled.")));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    worker.once("message", (answer: EditAnswer) =>
      settle(() => ("edited" in answer ? resolve(answer.edited) : reject(new FileProblem(answer.problem)))),
    );
    worker.once("error", (error) =>
      settle(() => reject(new FileProblem(`The file is too much for one edit (${String(error)})`))),
    );
    worker.once("exit", () => settle(() => reject(new FileProblem("The edit ended without a result."))));
  });
}
