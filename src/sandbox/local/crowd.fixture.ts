/** Makes many sandboxes with jobs that try to outlive everything, says so, and waits to be killed. */
import { createSandbox } from "../index.ts";

const count = Number(process.argv[2]);
const marker = process.argv[3]!;
const job = `setsid nohup bash -c 'trap "" TERM HUP INT; while :; do exec -a ${marker} sleep 1000; done' >/dev/null 2>&1 & exec -a ${marker} sleep 1000`;
await Promise.all(
  Array.from({ length: count }, async (_, index) => {
    const sandbox = await createSandbox({ require_sandbox: true, label: `crowd ${index}` });
    await sandbox.spawn(job);
    await sandbox.writeFile("f", "x");
  }),
);
process.stdout.write("ready\n");
setInterval(() => {}, 1000);
