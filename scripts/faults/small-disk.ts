/** A disk of some megabytes that can be filled up and emptied again. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  folder: string;
  /** False: mounting is not allowed here, and the folder is an ordinary one. */
  isSmall: boolean;
  fill(): void;
  empty(): void;
  remove(): void;
}

export function smallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  const filler = join(folder, "filler");
  let isSmall = true;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], { stdio: "ignore" });
  } catch {
    isSmall = false;
  }
  return {
    folder,
    isSmall,
    fill() {
      for (let bytes = 4 * 1024 ** 2; bytes >= 4096; ) {
        try {
          writeFileSync(filler, Buffer.alloc(bytes), { flag: "a" });
        } catch (error) {
          // What fits has been written: smaller pieces fill the rest.
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          bytes /= 2;
        }
      }
    },
    empty: () => rmSync(filler, { force: true }),
    remove() {
      if (isSmall) execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
