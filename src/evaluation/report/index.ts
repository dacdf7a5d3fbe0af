/** `report.html`: a run in one file that opens anywhere, offline. */
import { LachesisError } from "../../core/index.ts";
import { writeAtomically } from "../run-directory.ts";
import type { ReportLimits } from "./run-data.ts";

export type { ReportLimits } from "./run-data.ts";

/**
 * Writes the report of the run in `directory`. Throws `not_found` where there is no run.
 * @example
 * await writeReport("runs/terminal-test-2026-01-31-120000", "report.html");
 */
export async function writeReport(directory: string, path: string, limits: Partial<ReportLimits> = {}): Promise<void> {
  // Loaded late: it is needed at a run's end, and every start would pay for it.
  const [{ reportPage }, { DEFAULT_LIMITS, readRun }] = await Promise.all([
    import("./page.ts"),
    import("./run-data.ts"),
  ]);
  const data = await readRun(directory, { ...DEFAULT_LIMITS, ...limits });
  if (!data) throw new LachesisError("not_found", `${directory} is not a run directory: it has no run.json.`);
  await writeAtomically(path, reportPage(data));
}
