import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noUsage } from "../../core/index.ts";
import type { RolloutRecord } from "../record.ts";
import { Recorder } from "../recorder.ts";
import { openRun } from "../run-directory.ts";
import { escaped, html } from "./html.ts";
import { writeReport } from "./index.ts";
import { histogram } from "./plots.ts";

const HOSTILE = `</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>"'&\u202e\u0000\ud800`;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lachesis-report-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function record(id: string, outcome: RolloutRecord["outcome"]): RolloutRecord {
  return {
    type: "rollout",
    item_id: id,
    group_id: id,
    rollout_id: `${id}/0`,
    member: 0,
    seed: 1,
    outcome,
    stop_reason: "completed",
    turns_used: 1,
    usage: noUsage(),
    timings: { started_at: "", total_ms: 5, model_ms: 4, tool_ms: 1, reward_ms: 0 },
    tool_errors: [{ turn: 1, call_index: 0, tool_name: HOSTILE, arguments: "", error: HOSTILE, tool_result: "" }],
    tries: 1,
  };
}

async function runWith(name: string, count: number, text: string): Promise<string> {
  const path = join(directory, name);
  const config = { env: { note: HOSTILE }, openai: [{ model_name: HOSTILE, server_type: "openai" }] };
  const run = await openRun({ environment: HOSTILE, mode: "process", config }, { directory: path, resume: false });
  const recorder = await Recorder.open(run, join(path, "groups.jsonl"));
  const error = { code: "server_error", message: HOSTILE, fault: "server", retryable: true } as const;
  for (let index = 0; index < count; index++) {
    const outcome =
      index % 10 === 9 ? { kind: "aborted" as const, error } : { kind: "scored" as const, reward: index % 2 };
    await recorder.rollout(record(`item ${index} ${index < 3 ? HOSTILE : ""}`, outcome), {
      rollout_id: "",
      messages: [
        { role: "user", content: text },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "1", type: "function", function: { name: HOSTILE, arguments: HOSTILE } }],
        },
        { role: "tool", tool_call_id: "1", name: HOSTILE, content: text },
      ],
      turns: [],
      sequences: null,
    });
  }
  await recorder.close();
  await run.release();
  const report = join(path, "report.html");
  await writeReport(path, report);
  return report;
}

test("hostile text stays text, and the page can load nothing", async () => {
  const page = readFileSync(await runWith("hostile", 12, HOSTILE), "utf8");
  expect(page).not.toMatch(/<script|<img|onerror=alert\(1\)>"/i);
  expect(page).toContain("default-src 'none'");
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(page).toContain("\\u202e");
  expect(page).not.toMatch(/https?:\/\//);
  const open = (tag: string) => page.split(`<${tag}`).length;
  for (const tag of ["details", "section", "table", "figure", "pre"])
    expect(page.split(`</${tag}>`).length).toBe(open(tag));
});

test("a large run gives a report of bounded size that says what it leaves out", async () => {
  const report = await runWith("large", 450, "long ".repeat(8_000));
  expect(statSync(report).size).toBeLessThan(20 << 20);
  const page = readFileSync(report, "utf8");
  expect(page).toMatch(/400 of 450 are listed/);
  expect(page).toMatch(/\d+ conversations are left out/);
  expect(page).toMatch(/more characters are in the run directory/);
  // Failures are shown before anything else.
  expect(page.split('class="group has-failed').length - 1).toBe(45);
});

test("a directory without a run is said to be none", async () => {
  await expect(writeReport(directory, join(directory, "x.html"))).rejects.toMatchObject({ code: "not_found" });
});

test("escaped text holds no markup and no control characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(escaped(text)).not.toMatch(/[<>"'\u0000-\u0008\u007f\u202a-\u202e]/);
      expect(html`<p>${text}</p>`.text).toBe(`<p>${escaped(text)}</p>`);
    }),
  );
});

test("plots of any finite values are well-formed", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 50 }), (values) => {
      const { text } = histogram("t", values);
      if (values.length > 0 && Math.max(...values) - Math.min(...values) < 1e300)
        expect(text).not.toMatch(/NaN|Infinity/);
    }),
  );
});
