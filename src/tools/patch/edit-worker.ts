/** The thread of one edit: takes the file and the request, answers once, and is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { type EditRequest, editBytes } from "./edit-bytes.ts";
import type { EditAnswer } from "./edit-thread.ts";
import { FileProblem } from "./file-problem.ts";

const { bytes, request } = workerData as { bytes: Uint8Array; request: EditRequest };

function answer(): { message: EditAnswer; transfer: ArrayBuffer[] } {
  try {
    const edited = editBytes(bytes, request);
    const { buffer, byteLength } = edited.bytes;
    // A view of a larger buffer is copied: its other bytes are not ours to give away.
    const whole = byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
    return { message: { edited }, transfer: whole ? [buffer] : [] };
  } catch (error) {
    if (error instanceof FileProblem) return { message: { problem: error.message }, transfer: [] };
    throw error;
  }
}

const { message, transfer } = answer();
parentPort!.postMessage(message, transfer);
