// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell variables
import { describe, expect, it } from "vitest";
import { BACKENDS, callerOf, rolloutOn } from "../rollout.test.fixture.ts";
import { processTool } from "./process-tool.ts";
import { type TerminalResult, terminalTool } from "./terminal-tool.ts";

describe.each(BACKENDS)("terminal on $backend", ({ create }) => {
  const shell = (settings = {}) => {
    const rollout = rolloutOn(create, { settings });
    const call = callerOf(rollout, [terminalTool, processTool]);
    const run = (command: string, args: object = {}) => call<TerminalResult>("terminal", { command, ...args });
    return { rollout, call, run };
  };

  it("gives output in order, untrimmed, with the exit code", async () => {
    const { run } = shell();
    expect(await run("echo '  a'; echo b >&2; echo 'c  '; exit 3")).toEqual({
      output: "  a\nb\nc  \n",
      exit_code: 3,
      error: null,
    });
    expect(await run("printf '\\033[31mred\\033[0m\\033]0;title\\007'")).toMatchObject({ output: "red" });
    expect(await run("true")).toEqual({ output: "", exit_code: 0, error: null });
  });

  it("keeps cwd, exports, functions, aliases and options from one command to the next", async () => {
    const { run } = shell();
    await run(
      "mkdir -p 'a dir/\nnew'; cd 'a dir/\nnew'; export A='x\"y\nz' B=1; greet() { echo \"hi $1\"; }; alias two='echo 2'; shopt -s extglob",
    );
    const { output } = await run('basename "$PWD"; echo "$A"; greet you; two; shopt extglob; cd - >/dev/null; pwd');
    expect(output).toContain('new\nx"y\nz\nhi you\n2\nextglob        \ton\n');
    expect(output.trimEnd().endsWith("a dir")).toBe(false);
    await run("unset B; unalias two; unset -f greet; unset HOME");
    expect((await run('echo "[$B][$HOME]"; type two greet')).output).toMatch(
      /^\[\]\[\]\n.*two: not found\n.*greet: not found/s,
    );
  });

  it("keeps the state of a command that exits, fails or sets traps", async () => {
    const { run } = shell();
    expect((await run("export A=1; cd /; exit 7")).exit_code).toBe(7);
    expect((await run("echo $A; pwd")).output).toBe("1\n/\n");
    expect((await run("set -euo pipefail; export B=2; false; echo never")).exit_code).toBe(1);
    expect((await run("echo $B; false; echo on")).output).toBe("2\non\n");
    expect(await run("trap 'echo bye' EXIT; export C=3; (exit 4)")).toMatchObject({ output: "bye\n", exit_code: 4 });
    expect((await run("echo $C")).output).toBe("3\n");
    expect((await run("export D=4; set -x; true")).output).toMatch(/^\++ true\n$/);
    expect((await run("if then")).exit_code).not.toBe(0);
    expect((await run("echo $D; exec echo done")).output).toBe("4\ndone\n");
    expect((await run("echo $D")).output).toBe("4\n");
  });

  it("shows what is wrong with a command, and nothing of what runs it", async () => {
    const { run } = shell();
    const { output, exit_code } = await run("cd /\necho 'unterminated");
    expect(exit_code).not.toBe(0);
    expect(output).toContain("matching `''");
    expect(output).not.toMatch(/lachesis|syntax error near/);
    expect((await run("pwd")).output).toBe("/\n");
  });

  it("does not expand aliases in saved functions again", async () => {
    const { run } = shell();
    await run("alias say='echo said'\nf() { say it; }");
    await run("true");
    expect((await run("f; say so")).output).toBe("said it\nsaid so\n");
  });

  it("loses no export of calls made at the same time", async () => {
    const { run } = shell();
    await Promise.all(Array.from({ length: 20 }, (_, index) => run(`export V${index}=${index}`)));
    const { output } = await run('for i in {0..19}; do v="V$i"; printf "%s " "${!v}"; done');
    expect(output).toBe(`${Array.from({ length: 20 }, (_, index) => index).join(" ")} `);
  });

  it("kills the tree at the time-out, says so, and keeps the state of earlier commands", async () => {
    const { run } = shell();
    await run("export A=before; cd /");
    const late = await run("export A=during; cd /tmp; (trap '' TERM; sleep 300) & echo started; sleep 300", {
      timeout: 1,
    });
    expect(late).toEqual({ output: "started\n[Command timed out after 1s]", exit_code: 124, error: null });
    expect((await run("echo $A; pwd; pgrep -f 'sleep 30[0]' | wc -l")).output).toMatch(/^before\n\/\n/);
  });

  it("runs in workdir for one command, and says 126 when it is missing", async () => {
    const { run } = shell();
    await run("mkdir -p 'w d'; cd /usr");
    expect((await run("pwd", { workdir: "/" })).output).toBe("/\n");
    expect((await run("pwd")).output).toBe("/usr\n");
    const missing = await run("pwd", { workdir: "/no/such" });
    expect(missing.exit_code).toBe(126);
    expect(missing.output).toContain("/no/such");
    expect((await run("basename $(pwd)", { workdir: "~" })).exit_code).toBe(0);
  });

  it("runs what looks like a server, long commands and odd characters as they are", async () => {
    const { run } = shell();
    expect((await run("echo a & wait; echo uvicorn | grep uvicorn")).output).toBe("a\nuvicorn\n");
    expect((await run(`echo ${"x".repeat(300_000)} | wc -c`)).output.trim()).toBe("300001");
    expect((await run("cat <<'E'\n$a 'q' \"d\" \\\nE")).output).toBe("$a 'q' \"d\" \\\n");
    expect((await run('read x; echo "[$x]"')).output).toBe("[]\n");
    expect((await run("export MAX_TOKENS=4096; env | grep MAX_TOKENS")).output).toBe("MAX_TOKENS=4096\n");
    expect(await run("a\0b")).toMatchObject({ exit_code: -1, output: "" });
  });

  it("leaves nothing of its own in the shell", async () => {
    const { run } = shell();
    await run("true");
    const { output } = await run('declare -F; env; alias; echo "$#$*"');
    expect(output).not.toMatch(/lachesis_/);
    expect(output.endsWith("\n0\n")).toBe(true);
  });

  it("cuts long output in the middle at lines and keeps all of it in the sandbox", async () => {
    const { run, rollout } = shell();
    const { output } = await run("seq 1 30000");
    expect(output.length).toBeLessThan(50_500);
    expect(output.startsWith("1\n2\n")).toBe(true);
    expect(output.endsWith("29999\n30000\n")).toBe(true);
    const path = /all of it is in (\S+),/.exec(output)?.[1] ?? "";
    const whole = Buffer.from(await (await rollout.sandbox()).readFile(path)).toString();
    expect(whole).toBe(`${Array.from({ length: 30000 }, (_, index) => index + 1).join("\n")}\n`);
    const omitted = Number(/(\d+) characters omitted out of (\d+)/.exec(output)?.[1]);
    const [head, tail] = output.split(/\.\.\. \[OUTPUT.*\] \.\.\.\n/);
    expect(head!.length + tail!.length + omitted).toBe(whole.length);
    expect(whole.startsWith(head!) && whole.endsWith(tail!)).toBe(true);
  });

  it("survives output without end, in bounded memory, and the loss of its own directory", async () => {
    const { run } = shell();
    await run("export KEPT=1");
    const flood = await run("yes 'a line of output'", { timeout: 2 });
    expect(flood.exit_code).toBe(124);
    expect(flood.output).toMatch(
      /the command wrote more than 8388608 bytes, and only those were kept; what was kept is in/,
    );
    expect((await run("echo $KEPT")).output).toBe("1\n");
    await run('rm -rf "${TMPDIR:-/tmp}"/.lachesis-shell');
    await run("true");
    await run("export AGAIN=2");
    expect((await run("echo $AGAIN")).output).toBe("2\n");
  });

  it("reports a killed shell and a cancelled command", async () => {
    const { run, call } = shell();
    expect((await run("kill -9 $$")).exit_code).toBe(137);
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), 300);
    const result = await call<TerminalResult>("terminal", { command: "echo a; sleep 100" }, cancel.signal);
    expect(result).toMatchObject({ exit_code: 130, output: "a\n[Command interrupted]" });
    expect((await run("echo fine")).output).toBe("fine\n");
  });

  it("says what an exit code means where it is no failure", async () => {
    const { run } = shell();
    expect(await run("echo a | grep b")).toMatchObject({ exit_code: 1, exit_code_meaning: /No matches/ });
    expect(await run("false")).not.toHaveProperty("exit_code_meaning");
  });

  it("gives a pseudo-terminal on request", async () => {
    const { run } = shell();
    expect((await run("test -t 1 && echo tty; stty size", { pty: true })).output.replaceAll("\r", "")).toBe(
      "tty\n30 120\n",
    );
    expect((await run("test -t 1 || echo none")).output).toBe("none\n");
    await run("export FROM_PTY=1", { pty: true });
    expect((await run("echo $FROM_PTY")).output).toBe("1\n");
  });

  it("looks after background processes", async () => {
    const { run, call } = shell({ terminal_timeout: 10 });
    await run('cd /; export NAME=you; hello() { echo "hello $NAME from $PWD"; }');
    const started = await run('hello; read line; echo "got $line"; exit 5', { background: true });
    expect(started).toMatchObject({ output: "Background process started", exit_code: 0, error: null });
    const id = (started as unknown as { session_id: string }).session_id;
    expect(id).toMatch(/^proc_[0-9a-f]{12}$/);
    expect(await call("process", { action: "list" })).toMatchObject({
      processes: [{ session_id: id, status: "running", cwd: "/", command: expect.stringContaining("hello") }],
    });
    expect(await call("process", { action: "wait", session_id: id, timeout: 1 })).toMatchObject({
      status: "timeout",
      output: "hello you from /\n",
    });
    expect(await call("process", { action: "submit", session_id: id, data: "it" })).toEqual({
      status: "ok",
      bytes_written: 3,
    });
    expect(await call("process", { action: "wait", session_id: id })).toMatchObject({
      status: "exited",
      exit_code: 5,
      output: "hello you from /\ngot it\n",
    });
    expect(await call("process", { action: "log", session_id: id, offset: 1, limit: 1 })).toMatchObject({
      output: "got it",
      total_lines: 2,
      showing: "1 lines",
    });
    expect(await call("process", { action: "write", session_id: id, data: "x" })).toMatchObject({
      status: "already_exited",
    });
    expect(await call("process", { action: "kill", session_id: id })).toMatchObject({
      status: "already_exited",
      exit_code: 5,
    });
    expect(await call("process", { action: "poll", session_id: "proc_000000000000" })).toMatchObject({
      status: "not_found",
    });
    expect(await call("process", { action: "poll" })).toHaveProperty("error");
    expect(await run("sleep 1", { background: true, workdir: "/no/such" })).toMatchObject({ exit_code: 126 });
  });

  it("tells with a later result that a background process ended or wrote what was waited for", async () => {
    const { run, call } = shell();
    const told = async (type: string) => {
      for (let round = 0; round < 200; round++) {
        const { notifications } = await call<{ notifications?: object[] }>("terminal", { command: "sleep 0.05" });
        if (notifications) return notifications.filter((notice) => (notice as { type: string }).type === type);
      }
      return [];
    };
    const job = await run("read line; echo built; exit 3", { background: true, notify_on_complete: true });
    expect(job).toMatchObject({ exit_code: 0, notify_on_complete: true });
    const { session_id } = job as unknown as { session_id: string };
    expect(await run("true")).not.toHaveProperty("notifications");
    await call("process", { action: "submit", session_id, data: "go" });
    expect(await told("completion")).toEqual([
      { type: "completion", session_id, command: expect.stringContaining("built"), exit_code: 3, output: "built\n" },
    ]);
    expect(await run("true")).not.toHaveProperty("notifications");

    const server = await run("echo booting; echo listening on 80; sleep 100", {
      background: true,
      watch_patterns: "listening",
    });
    expect(server).toMatchObject({ watch_patterns: ["listening"] });
    expect(await told("watch_match")).toMatchObject([{ pattern: "listening", output: "listening on 80" }]);

    const both = { background: true, notify_on_complete: true, watch_patterns: ["a"] };
    const quick = await run("echo a", both);
    expect(quick).toHaveProperty("watch_patterns_ignored");
    // What the process tool said already does not come again.
    const { session_id: id } = quick as unknown as { session_id: string };
    expect(await call("process", { action: "wait", session_id: id })).not.toHaveProperty("notifications");
    expect(await run("true")).not.toHaveProperty("notifications");
    expect(await run("true", { notify_on_complete: true })).toMatchObject({
      note: expect.stringContaining("background"),
    });
  });

  it("answers a call that cannot be run in the shape of every other", async () => {
    const { call } = shell();
    for (const command of [null, ["ls"], { a: 1 }]) {
      expect(await call("terminal", { command })).toEqual({
        output: "",
        exit_code: -1,
        error: expect.stringContaining("command"),
        status: "error",
      });
    }
    expect(await call("terminal", { command: "a\0b" })).toMatchObject({ exit_code: -1, status: "error" });
  });

  it("kills a background process with all that it started, and ends its input", async () => {
    const { run, call } = shell();
    const tree = (await run("(trap '' TERM; sleep 1234) & echo $!; sleep 1234", { background: true })) as unknown as {
      session_id: string;
    };
    await run("sleep 0.3");
    const { output } = await call<{ output: string }>("process", { action: "log", session_id: tree.session_id });
    expect(await call("process", { action: "kill", session_id: tree.session_id })).toEqual({
      status: "killed",
      session_id: tree.session_id,
    });
    expect(await run(`grep State /proc/${output.trim()}/status 2>/dev/null | grep -v Z`)).toMatchObject({ output: "" });
    expect(await call("process", { action: "poll", session_id: tree.session_id })).toMatchObject({
      status: "exited",
      exit_code: -9,
    });
    const cat = (await run("cat; echo end", { background: true })) as unknown as { session_id: string };
    await call("process", { action: "write", session_id: cat.session_id, data: "raw" });
    expect(await call("process", { action: "close", session_id: cat.session_id })).toMatchObject({ status: "ok" });
    expect(await call("process", { action: "wait", session_id: cat.session_id, timeout: 5 })).toMatchObject({
      output: "rawend\n",
    });
  });

  it("runs interactive programs on a pseudo-terminal in the background", async () => {
    const { run, call } = shell();
    const started = (await run("stty -echo; read -p 'name? ' n; echo \"hi $n\"", {
      background: true,
      pty: true,
    })) as unknown as { session_id: string };
    await run("sleep 0.3");
    await call("process", { action: "submit", session_id: started.session_id, data: "Ada" });
    const { output } = await call<{ output: string }>("process", {
      action: "wait",
      session_id: started.session_id,
      timeout: 5,
    });
    expect(output.replaceAll("\r", "")).toMatch(/name\? .*hi Ada/s);
  });

  it("hides the processes of one rollout from another", async () => {
    const one = shell();
    const two = shell();
    const { session_id } = (await one.run("sleep 100", { background: true })) as unknown as { session_id: string };
    expect(await two.call("process", { action: "kill", session_id })).toMatchObject({ status: "not_found" });
    expect(await two.call("process", { action: "list" })).toEqual({ processes: [] });
    expect(two.rollout.hasSandbox()).toBe(false);
  });
});
