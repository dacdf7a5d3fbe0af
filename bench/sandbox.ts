/**
 * Times of the local sandbox beside those of bare processes on the host, measured alternately in the same run, so that
 * the ratios mean something on a busy machine, too. `node bench/sandbox.ts [rounds]`.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createSandbox, type Sandbox } from "../src/sandbox/index.ts";

interface Row {
  name: string;
  times: number[];
  /** Milliseconds at the median on a quiet machine; null for a baseline. */
  target: number | null;
  /** What it is compared with, and at most how many times as long it may take. */
  ratio: { to: Row; target: number } | null;
}

const median = (times: number[]) => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
const quantile = (times: number[], part: number) =>
  [...times].sort((a, b) => a - b)[Math.floor((times.length - 1) * part)] ?? Number.NaN;

async function timed(row: Row, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  row.times.push(performance.now() - began);
}

function onHost(command: string, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.end();
    child.stdout.resume();
    child.stderr.resume();
    child.once("error", reject);
    child.once("close", () => resolve());
  });
}

/** Prints 10th percentiles (what a quiet machine would give), medians, 90th percentiles and ratios of the medians. */
export async function run(): Promise<void> {
  const rounds = Number(process.argv[2]) > 0 ? Number(process.argv[2]) : 60;
  const row = (name: string, target: number | null = null, ratio: Row["ratio"] = null): Row => ({
    name,
    times: [],
    target,
    ratio,
  });
  const bare = row("host: spawn /bin/echo");
  const shell = row("host: spawn bash -c 'echo hi'");
  const create = row("sandbox: create", 12, { to: bare, target: 3 });
  const destroy = row("sandbox: destroy");
  const argv = row("sandbox: exec [/bin/true]");
  const script = row("sandbox: exec 'echo hi'", 2.5, { to: shell, target: 1 });
  const read = row("sandbox: read 1 KB", 0.3);
  const write = row("sandbox: write 1 KB");
  const rows = [bare, shell, create, destroy, argv, script, read, write];

  const warm = await createSandbox({ require_sandbox: true });
  for (let round = 0; round < 5; round++) {
    await onHost("/bin/echo", ["hi"]);
    await warm.exec("echo hi");
  }
  await warm.destroy();
  for (let round = 0; round < rounds; round++) {
    let sandbox: Sandbox | null = null;
    await timed(bare, () => onHost("/bin/echo", ["hi"]));
    await timed(create, async () => {
      sandbox = await createSandbox({ require_sandbox: true });
    });
    const box = sandbox as Sandbox | null;
    if (!box) throw new Error("no sandbox");
    await box.exec("true"); // the first command reads bash from disk
    for (let turn = 0; turn < 5; turn++) {
      await timed(shell, () => onHost("bash", ["-c", "echo hi"]));
      await timed(script, () => box.exec("echo hi"));
      await timed(argv, () => box.exec(["/bin/true"]));
      await timed(write, () => box.writeFile("f", "x".repeat(1024)));
      await timed(read, () => box.readFile("f"));
    }
    await timed(destroy, () => box.destroy());
  }
  const crowd = await crowded();

  const format = (value: number) => value.toFixed(2).padStart(8);
  console.log(`${"".padEnd(32)}     p10   median      p90   target   ratio`);
  for (const { name, times, target, ratio } of rows) {
    const compared = ratio
      ? `${(median(times) / median(ratio.to.times)).toFixed(2)}x of "${ratio.to.name}" (target ${ratio.target}x)`
      : "";
    console.log(
      `${name.padEnd(32)}${format(quantile(times, 0.1))} ${format(median(times))} ${format(quantile(times, 0.9))} ${target === null ? "".padStart(8) : format(target)}   ${compared}`,
    );
  }
  console.log(crowd);
}

/** Many sandboxes at once. */
async function crowded(): Promise<string> {
  const count = 50;
  const began = performance.now();
  const boxes = await Promise.all(Array.from({ length: count }, () => createSandbox({ require_sandbox: true })));
  const created = performance.now();
  await Promise.all(
    boxes.map(async (box) => {
      for (let turn = 0; turn < 10; turn++) await box.exec("echo hi");
    }),
  );
  const ran = performance.now();
  await Promise.all(boxes.map((box) => box.destroy()));
  const ended = performance.now();
  const rate = (number: number, ms: number) => Math.round((number / ms) * 1000);
  return `${count} sandboxes at once: ${rate(count, created - began)} creates/s, ${rate(count * 10, ran - created)} commands/s, ${rate(count, ended - ran)} destroys/s`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run();
