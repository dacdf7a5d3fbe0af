// Builds the sandbox helper with the address and undefined-behaviour sanitizers and fuzzes it for a bounded time: first
// its decoders, then the whole program in a real sandbox, with mutated conversations; then the helper in Perl with the like.
// `node scripts/native-fuzz.ts [seconds] [seed]`.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const seconds = Math.max(2, Number(process.argv[2] ?? 40));
let seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const native = fileURLToPath(new URL("../native/", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "lachesis-fuzz-"));
const flags = [
  "-std=gnu17",
  "-g",
  "-O1",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
  "-fno-omit-frame-pointer",
];
const sources = readdirSync(join(native, "src"))
  .filter((name) => name.endsWith(".c"))
  .map((name) => join(native, "src", name));
const sanitizers = {
  ASAN_OPTIONS: "detect_leaks=0:abort_on_error=0:exitcode=99:log_to_syslog=0",
  UBSAN_OPTIONS: "print_stacktrace=1:exitcode=99",
};

function build(output: string, files: string[]): string {
  const path = join(directory, output);
  const { status, stderr } = spawnSync(process.env.CC || "cc", [...flags, "-o", path, ...files], { encoding: "utf8" });
  if (status !== 0) throw new Error(`The sanitized build failed:\n${stderr}`);
  return path;
}

function random(): number {
  seed = (Math.imul(seed ^ (seed >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
  let value = seed;
  value ^= value >>> 13;
  value = Math.imul(value, 3266489917) >>> 0;
  return (value ^ (value >>> 16)) >>> 0;
}
const below = (limit: number) => random() % limit;

function frame(type: string, id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(id >>> 0, 4);
  head[8] = type.charCodeAt(0);
  return Buffer.concat([head, payload]);
}

function exec(flag: number, argv: string[], timeout = 300): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(flag, 0);
  head.writeUInt32LE(timeout, 4);
  head.writeBigUInt64LE(BigInt(below(100_000)), 8);
  head.writeUInt16LE(argv.length, 20);
  head.writeUInt16LE(1, 22);
  return Buffer.concat([head, Buffer.from(["/", ...argv, "PATH=/bin:/usr/bin"].map((text) => `${text}\0`).join(""))]);
}

function number(size: number, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(size * values.length);
  values.forEach((value, index) => {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), index * 8);
    else bytes.writeUInt32LE(value >>> 0, index * 4);
  });
  return bytes;
}

/** One step of a plausible conversation. */
function step(id: number): Buffer {
  const path = ["/tmp/a", "/tmp/b/c", "/workspace/", "/proc/self/mem", "/dev/zero", "/tmp", "x", "/tmp/a/b"][below(8)]!;
  const some = Buffer.from(Array.from({ length: below(400) }, () => below(256)));
  const steps: (() => Buffer)[] = [
    () =>
      frame(
        "E",
        id,
        exec([0, 1, 2, 4, 6, 5][below(6)]!, [
          "bash",
          "-c",
          ["echo hi", "cat", "sleep 1 &", "yes", "kill -9 $$", ":(){ :|:& };:"][below(6)]!,
        ]),
      ),
    () => frame("E", id, exec(8, [path])),
    () => frame("E", id, exec(16 | 4, [path])),
    () => frame("E", id, exec(32 | 8, ["/"])),
    () =>
      Buffer.concat([
        frame("W", id, Buffer.concat([number(4, below(0o10000)), Buffer.from([below(2)]), Buffer.from(path)])),
        frame("w", id, some),
        frame("e", id, Buffer.alloc(0)),
      ]),
    () => frame("R", id, Buffer.concat([number(8, below(10), below(100_000)), Buffer.from(path)])),
    () => frame("S", id, Buffer.concat([Buffer.from([below(2)]), Buffer.from(path)])),
    () => frame("I", 1 + below(id), some),
    () => frame("D", 1 + below(id), Buffer.alloc(0)),
    () => frame("K", 1 + below(id), Buffer.alloc(0)),
    () => frame("Z", 1 + below(id), number(4, below(65536))),
    () => frame("F", id, Buffer.alloc(0)),
    () => frame("f", id, Buffer.alloc(0)),
    () => frame("p", id, Buffer.alloc(0)),
    () => frame(["x", "y", "z", "q"][below(4)]!, 0x80000000 + below(3), some),
  ];
  const bytes = steps[below(steps.length)]!();
  if (below(4) === 0) for (let changes = 1 + below(4); changes > 0; changes--) bytes[below(bytes.length)] = below(256);
  return below(30) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
}

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  text: string;
  hung: boolean;
}

/** After the end of its input a helper has this long to end; one that does not has lost its child and would wait for ever. */
const PATIENCE_MS = 20_000;

type Program = [path: string, ...args: string[]];

/** Plays one conversation; gives how the helper ended. */
function play([program, ...args]: Program): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: sanitizers });
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stdout.resume();
    child.stdin.on("error", () => child.stdin.destroy());
    child.once("error", reject);
    let hung = false;
    let patience: NodeJS.Timeout | undefined;
    child.once("close", (code, signal) => {
      clearTimeout(patience);
      resolve({ code, signal, text, hung });
    });
    const config = Buffer.from("memory=268435456\0disk=8388608\0pids=32\0socket=/run/s\0");
    if (below(10) === 0) config[below(config.length)] = below(256);
    child.stdin.write(frame("C", 0, config));
    const count = 5 + below(60);
    for (let id = 1; id <= count; id++) child.stdin.write(step(id));
    const end = () => {
      child.stdin.end();
      patience = setTimeout(() => {
        hung = true;
        child.kill("SIGKILL");
      }, PATIENCE_MS);
    };
    // Also while the namespaces are still being made.
    if (below(4) === 0) end();
    else setTimeout(end, below(250));
  });
}

let failed = false;

/** Plays conversations for some seconds; a helper may only end in the ways that it means to. */
async function converse(name: string, program: Program, time: number): Promise<void> {
  const until = Date.now() + time * 1000;
  let rounds = 0;
  let works = false;
  let wrong = false;
  while (!wrong && Date.now() < until) {
    const start = seed;
    const { code, signal, text, hung } = await play(program);
    rounds++;
    works ||= code === 0;
    // 0 at the end of input, 2 for a bad configuration, 3 for a frame that is not of the protocol.
    if (text !== "" || signal !== null || code === null || ![0, 2, 3].includes(code)) {
      wrong = true;
      const how = hung ? "did not end with its input" : `ended with ${signal ?? code}`;
      process.stderr.write(`The ${name} ${how} (seed ${start}):\n${text}\n`);
    }
  }
  if (!wrong && !works) process.stderr.write("No sandbox could be made here, so only the decoders were fuzzed.\n");
  console.log(`${name}: ${rounds} conversations, ${wrong ? "FAILED" : "no finding"}`);
  failed ||= wrong;
}

try {
  const helper = build("helper", sources);
  const decoder = build("decoder", [
    join(native, "fuzz/decoder.c"),
    join(native, "src/frame.c"),
    join(native, "src/config.c"),
  ]);
  const third = Math.ceil(seconds / 3);
  const first = spawnSync(decoder, [String(third), String(seed)], { encoding: "utf8", env: { ...sanitizers } });
  process.stdout.write(first.stdout);
  if (first.status !== 0) {
    failed = true;
    process.stderr.write(`The decoder failed with seed ${seed}:\n${first.stderr}\n`);
  }
  await converse("helper", [helper], third);
  await converse("helper in Perl", ["/usr/bin/perl", join(native, "fallback/lachesis-sandbox.pl")], third);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
