/**
 * A sandbox that ends when nobody has used it for a while: a backstop for rollouts that hold one and never come back.
 * A command that runs counts as use, and so does what is written to a process and what it prints; that a shell stands
 * open does not. Whoever uses the sandbox afterwards gets `sandbox_died`, which aborts the rollout.
 */
import { LachesisError } from "../core/index.ts";
import type { Sandbox } from "../sandbox/index.ts";

/** The sandbox, destroyed after so many seconds without use. */
export function destroyedWhenIdle(sandbox: Sandbox, seconds: number): Sandbox {
  let running = 0;
  let died: LachesisError | null = null;
  let timer: NodeJS.Timeout | undefined;
  let end: (error: Error | null) => void = () => {};
  const closed = new Promise<Error | null>((resolve) => {
    end = resolve;
  });
  const expire = () => {
    died = new LachesisError(
      "sandbox_died",
      `The sandbox was destroyed because nobody used it for ${seconds} s (env.terminal_lifetime).`,
    );
    end(died);
    sandbox.destroy().catch(end);
  };
  const rest = () => {
    clearTimeout(timer);
    if (running === 0 && !died) timer = setTimeout(expire, Math.min(seconds * 1000, 2 ** 31 - 1)).unref();
  };
  const used = async <T>(work: () => Promise<T>): Promise<T> => {
    if (died) throw died;
    running++;
    clearTimeout(timer);
    try {
      return await work();
    } finally {
      running--;
      rest();
    }
  };
  void sandbox.closed.then((error) => {
    clearTimeout(timer);
    end(error);
  });
  rest();
  return {
    id: sandbox.id,
    backend: sandbox.backend,
    workdir: sandbox.workdir,
    isolated: sandbox.isolated,
    closed,
    exec: ((command: Parameters<Sandbox["exec"]>[0], options?: Parameters<Sandbox["exec"]>[1]) =>
      used(() => sandbox.exec(command, options))) as Sandbox["exec"],
    spawn: (command, options) =>
      used(async () => {
        const onOutput: NonNullable<typeof options>["onOutput"] = (chunk, stream) => {
          if (running === 0) rest();
          options?.onOutput?.(chunk, stream);
        };
        const process = await sandbox.spawn(command, { ...options, onOutput });
        return {
          pid: process.pid,
          exited: process.exited,
          write: (data) => used(() => process.write(data)),
          closeStdin: () => process.closeStdin(),
          kill: () => process.kill(),
        };
      }),
    readFile: (path, range) => used(() => sandbox.readFile(path, range)),
    writeFile: (path, data, options) => used(() => sandbox.writeFile(path, data, options)),
    stat: (path, options) => used(() => sandbox.stat(path, options)),
    upload: (from, to) => used(() => sandbox.upload(from, to)),
    download: (from, to) => used(() => sandbox.download(from, to)),
    snapshot: () => used(() => sandbox.snapshot()),
    destroy: async () => {
      clearTimeout(timer);
      await sandbox.destroy();
    },
  };
}
