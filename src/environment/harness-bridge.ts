/**
 * The way from a sandbox without network to its session. Agent programs speak TCP, and what is forwarded into a sandbox
 * is a unix socket, so a few lines of a script listen on the sandbox's own loopback and join the two. They reach what
 * the socket reaches: one session, nothing else.
 */
import { LachesisError } from "../core/index.ts";
import type { Sandbox, SandboxProcess } from "../sandbox/index.ts";

/** Where the socket is inside a sandbox. */
export const SOCKET_INSIDE = "/run/lachesis-model.sock";

const READY_MS = 20_000;

export interface Bridge {
  /** On 127.0.0.1 inside the sandbox. */
  port: number;
  close(): Promise<void>;
}

/**
 * Starts the bridge. Throws `unsupported` where the sandbox has neither perl nor python3, or was made without the socket.
 * @param socket Path of the unix socket as commands in the sandbox see it.
 */
export async function startBridge(sandbox: Sandbox, socket: string, folder: string): Promise<Bridge> {
  await sandbox.writeFile(`${folder}/bridge.pl`, PERL);
  await sandbox.writeFile(`${folder}/bridge.py`, PYTHON);
  let output = "";
  let seen: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const running = await sandbox.spawn(["sh", "-c", CHOOSE, "sh", folder, socket], {
    mergeOutput: true,
    onOutput: (chunk) => {
      if (output.length < 4000) output += Buffer.from(chunk).toString();
      if (output.includes("\n")) seen();
    },
  });
  const ended = running.exited.then(() => seen());
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, READY_MS);
  });
  await Promise.race([first, ended, late]);
  clearTimeout(timer);
  const port = Number(/^port (\d+)\n/.exec(output)?.[1]);
  if (!port) {
    await running.kill();
    const why = output.trim() || "it said nothing";
    throw new LachesisError(
      "unsupported",
      `The sandbox cannot reach the session proxy: ${why}. harness: command needs perl or python3 in the sandbox, and an environment whose createSandbox passes rollout.sockets on.`,
    );
  }
  return { port, close: () => end(running) };
}

async function end(running: SandboxProcess): Promise<void> {
  await running.kill();
}

const CHOOSE = `
[ -S "$2" ] || { echo "there is no socket at $2"; exit 1; }
command -v perl >/dev/null 2>&1 && exec perl "$1/bridge.pl" "$2"
command -v python3 >/dev/null 2>&1 && exec python3 "$1/bridge.py" "$2"
echo "there is neither perl nor python3"; exit 1
`;

/** One process for each direction of each connection: neither can hold up the other. */
const PERL = `use strict; use Socket;
my $path = shift; my ($listener, $client, $host);
$SIG{CHLD} = "IGNORE"; $SIG{PIPE} = "IGNORE"; $| = 1;
socket($listener, PF_INET, SOCK_STREAM, 0) && bind($listener, pack_sockaddr_in(0, INADDR_LOOPBACK))
  && listen($listener, 128) or die "listen: $!\\n";
my ($port) = unpack_sockaddr_in(getsockname($listener));
print "port $port\\n";
while (1) {
  accept($client, $listener) or next;
  my $child = fork();
  if (!defined $child || $child) { close $client; next }
  close $listener;
  socket($host, PF_UNIX, SOCK_STREAM, 0) && connect($host, pack_sockaddr_un($path)) or exit 1;
  my $other = fork();
  exit 1 unless defined $other;
  my ($from, $to) = $other ? ($client, $host) : ($host, $client);
  PIPE: while (my $got = sysread($from, my $bytes, 65536)) {
    for (my $sent = 0; $sent < $got;) {
      my $wrote = syswrite($to, $bytes, $got - $sent, $sent);
      last PIPE unless defined $wrote;
      $sent += $wrote;
    }
  }
  shutdown($to, 1); shutdown($from, 0);
  exit 0;
}
`;

const PYTHON = `import socket, sys, threading

def copy(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    except OSError:
        pass
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass

def both(client, host):
    other = threading.Thread(target=copy, args=(host, client), daemon=True)
    other.start()
    copy(client, host)
    other.join()
    client.close()
    host.close()

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print("port %d" % listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    host = socket.socket(socket.AF_UNIX)
    try:
        host.connect(sys.argv[1])
    except OSError:
        client.close()
        continue
    threading.Thread(target=both, args=(client, host), daemon=True).start()
`;
