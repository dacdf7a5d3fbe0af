import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { failures, injectFaults } from "../scripts/faults.ts";
import { startApi } from "../src/trajectory/index.ts";

it("delivers every group once, whatever is killed and cut", async () => {
  const report = await injectFaults(1, 7);
  expect(failures(report), JSON.stringify(report)).toBe(0);
}, 300_000);

/** A tmpfs of one megabyte; null where mounting is not allowed. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), "small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { stdio: "ignore" });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
}

const disk = smallDisk();
if (!disk) process.stderr.write("A full disk is not tested: mounting a small tmpfs is not allowed here.\n");

it.skipIf(!disk)(
  "refuses what a full disk cannot hold, keeps what it took, and goes on when there is room",
  async () => {
    const content = "x".repeat(50_000);
    const api = await startApi({ port: 0, store: `sqlite:${join(disk!, "api.db")}` });
    const post = (path: string, body: unknown) =>
      fetch(api.url + path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
    try {
      await post("/v2/runs/r", {
        wandb_group: "g",
        wandb_project: "p",
        batch_size: 1,
        max_token_len: 9,
        checkpoint_dir: "",
        save_checkpoint_interval: 0,
        starting_step: 0,
        num_steps: 9,
      });
      let taken = 0;
      let refused = 0;
      for (let mark = 0; mark < 40; mark++) {
        const group = { tokens: [[mark]], masks: [[mark]], scores: [1], messages: [[{ role: "user", content }]] };
        const { status } = await post("/v2/runs/r/groups", group);
        if (status === 200) taken++;
        else if (status === 503) refused++;
      }
      expect([taken + refused, refused > 0]).toEqual([40, true]);
      const run = (await (await fetch(`${api.url}/v2/runs/r`)).json()) as { counts: { queued_groups: number } };
      expect(run.counts.queued_groups).toBe(taken);
    } finally {
      await api.close();
      execFileSync("umount", [disk!]);
      rmSync(disk!, { recursive: true });
    }
  },
);
