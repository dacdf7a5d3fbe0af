import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
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

const disks = [smallDisk(), smallDisk()];
afterAll(() => {
  for (const disk of disks) {
    if (!disk) continue;
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  }
});
const canFill = disks.every((disk) => disk !== null);
if (!canFill) process.stderr.write("A full disk is not tested: mounting a small tmpfs is not allowed here.\n");

async function withApi(
  disk: string,
  test: (call: (path: string, body?: unknown) => Promise<Response>) => Promise<void>,
) {
  const api = await startApi({ port: 0, store: `sqlite:${join(disk, "api.db")}` });
  const headers = { "content-type": "application/json" };
  try {
    await test((path, body) =>
      fetch(api.url + path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers }),
    );
  } finally {
    await api.close();
  }
}

const REGISTRATION = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 1,
  max_token_len: 9,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 9,
};

it.skipIf(!canFill)(
  "refuses what a full disk cannot hold, keeps what it took, and goes on when there is room",
  async () => {
    const content = "x".repeat(50_000);
    await withApi(disks[0]!, async (call) => {
      await call("/v2/runs/r", REGISTRATION);
      let taken = 0;
      let refused = 0;
      for (let mark = 0; mark < 40; mark++) {
        const group = { tokens: [[mark]], masks: [[mark]], scores: [1], messages: [[{ role: "user", content }]] };
        const { status } = await call("/v2/runs/r/groups", group);
        if (status === 200) taken++;
        else if (status === 503) refused++;
      }
      expect([taken + refused, refused > 0]).toEqual([40, true]);
      const run = (await (await call("/v2/runs/r")).json()) as { counts: { queued_groups: number } };
      expect(run.counts.queued_groups).toBe(taken);
    });
  },
);

it.skipIf(!canFill)("does not fill a disk with its journal", async () => {
  // When it ends, what it wrote stands in the database.
  await withApi(disks[1]!, async (call) => void (await call("/v2/runs/r", REGISTRATION)));
  await withApi(disks[1]!, async (call) => {
    const answers: number[] = [];
    for (let round = 0; round < 75; round++) answers.push((await call("/v2/runs/r", REGISTRATION)).status);
    expect(answers.filter((status) => status !== 200)).toEqual([]);
  });
});
