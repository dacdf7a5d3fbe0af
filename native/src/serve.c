/*
 * pid 1: one loop over the host's frames, the commands' output and input, forwarded sockets, time-outs and the memory
 * watch. It never waits for a command and never blocks on the host; when the host falls behind, it stops reading
 * output. The end of stdin is the end of the sandbox: pid 1 leaves, and the kernel kills everything inside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "jail.h"

#define FORWARDS_MAX 512 /* connections to forwarded sockets at a time; more wait in the listener's queue */
#define DRAIN_MS 50 /* how long the output of a command that has ended is waited for, when a background job holds it */

struct command {
  uint32_t id;
  pid_t pid;
  int out, err, in; /* -1 when closed; on a terminal `out` and `in` are the same description */
  uint64_t max, sent[2];
  struct buffer input;
  int input_ended, pty, builtin, wide[2];
  int64_t deadline, drain_until, give_up, quiet_until;
  int ended, status, flags, killing, reported;
  struct command *next;
};
struct reader { uint32_t id; int fd; uint64_t left; off_t offset; struct reader *next; };
struct forward { uint32_t id; int fd; struct buffer output; uint64_t unacknowledged; int ended_in, ended_out; struct forward *next; };

static struct command *commands;
static struct reader *readers;
static struct writer *writers;
static struct forward *forwards;
static int listeners[LIST_MAX], listener_count;
static uint32_t next_forward = 0x80000000u;
static int forward_count;
static const struct config *cfg;
static const struct store *files;
static int signals, frozen, idle = 1; /* idle: nothing runs, so nothing has to be looked at */
static int64_t memory_due;
struct buffer out_buffer;

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- to the host ---- */

int out_flush(void) {
  while (buffer_length(&out_buffer) > 0) {
    ssize_t n = write(1, out_buffer.data + out_buffer.start, buffer_length(&out_buffer));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return 0;
      _exit(0); /* the host is gone */
    }
    buffer_consume(&out_buffer, (size_t)n);
  }
  return 1;
}

static void frame_header(unsigned char *p, uint8_t type, uint32_t id, size_t length) {
  put32(p, (uint32_t)length);
  put32(p + 4, id);
  p[8] = type;
}

void out_frame(uint8_t type, uint32_t id, const void *payload, size_t length) {
  frame_header(buffer_reserve(&out_buffer, FRAME_HEADER + length), type, id, length);
  out_buffer.end += FRAME_HEADER;
  buffer_append(&out_buffer, payload, length);
}

void out_error(uint32_t id, int error, const char *what) {
  unsigned char payload[4 + 256];
  put32(payload, (uint32_t)error);
  size_t length = strnlen(what, 256);
  memcpy(payload + 4, what, length);
  out_frame(T_ERROR, id, payload, 4 + length);
}

static void out_number(uint8_t type, uint32_t id, uint32_t value) {
  unsigned char payload[4];
  put32(payload, value);
  out_frame(type, id, payload, 4);
}

static noreturn void bad_frame(const char *what) {
  out_frame(T_FAILED, 0, what, strlen(what));
  out_flush();
  _exit(3);
}

static int room(void) { return buffer_length(&out_buffer) < OUTPUT_HIGH; }

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* ---- commands ---- */

static struct command *command_find(uint32_t id) {
  struct command *c = commands;
  while (c && c->id != id) c = c->next;
  return c;
}

static noreturn void child_say(const char *name, int error) {
  char text[512];
  int n = snprintf(text, sizeof text, "%s: %s\n", name, error == ENOENT ? "command not found" : strerror(error));
  if (n > 0 && write(2, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0) _exit(126);
  _exit(error == ENOENT ? 127 : 126);
}

static noreturn void child_run(const struct exec_request *r, uint32_t id, int in, int out, int err, int directory, int terminal) {
  setsid();
  if (terminal >= 0) {
    if (ioctl(terminal, TIOCSCTTY, 0) < 0) _exit(126);
    in = out = err = terminal;
  }
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  if (r->flags & (EXEC_PACK | EXEC_UNPACK)) { /* our own code */
    child_limits(cfg, id);
    _exit(r->flags & EXEC_PACK ? archive_pack(r->argv[0], r->flags & EXEC_LAYER ? files : NULL) : archive_unpack(r->argv[0], (r->flags & EXEC_LAYER) != 0));
  }
  if (fchdir(directory) < 0) child_say(r->cwd, errno);
  child_limits(cfg, id);
  extern char **environ;
  environ = r->envp;
  execvp(r->argv[0], r->argv);
  child_say(r->argv[0], errno);
}

static int open_terminal(const struct exec_request *r, int *slave) {
  int unlock = 0, number;
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0) return -1;
  char path[32];
  struct winsize size = {.ws_row = r->rows ? r->rows : 24, .ws_col = r->columns ? r->columns : 80};
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0) goto failed;
  snprintf(path, sizeof path, "/dev/pts/%d", number);
  *slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*slave >= 0) return master;
failed:
  close(master);
  return -1;
}

static void command_start(uint32_t id, const struct exec_request *r) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, slave = -1, master = -1, directory = -1;
  const char *failed = "pipe";
  int builtin = (r->flags & (EXEC_PACK | EXEC_UNPACK)) != 0;
  if (!builtin && cfg->view == VIEW_LAYER) bad_frame("a layer runs no commands");
  if (!builtin && (failed = r->cwd, directory = path_open(AT_FDCWD, r->cwd, O_RDONLY | O_DIRECTORY)) < 0) goto failure;
  failed = "pipe";
  if (r->flags & EXEC_PTY) {
    failed = "pseudo-terminal";
    if ((master = open_terminal(r, &slave)) < 0) goto failure;
  } else {
    if (r->flags & EXEC_STDIN) {
      if (pipe2(in, O_CLOEXEC) < 0) goto failure;
    } else if ((in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0 && cfg->view != VIEW_LAYER) {
      goto failure;
    }
    if (pipe2(out, O_CLOEXEC) < 0) goto failure;
    if (!(r->flags & EXEC_MERGE) && pipe2(err, O_CLOEXEC) < 0) goto failure;
  }
  struct command *c = calloc(1, sizeof *c);
  failed = "memory";
  if (!c) goto failure;
  failed = "fork";
  pid_t pid = fork();
  if (pid < 0) { free(c); goto failure; }
  if (pid == 0) child_run(r, id, in[0], out[1], err[1] >= 0 ? err[1] : out[1], directory, slave);
  close_fd(&in[0]);
  close_fd(&out[1]);
  close_fd(&err[1]);
  close_fd(&slave);
  close_fd(&directory);
  c->id = id;
  c->pid = pid;
  c->pty = master >= 0;
  c->builtin = builtin;
  c->out = c->pty ? master : out[0];
  c->err = err[0];
  c->in = c->pty ? fcntl(master, F_DUPFD_CLOEXEC, 3) : in[1];
  c->max = r->max_bytes;
  c->deadline = r->timeout_ms ? now_ms() + r->timeout_ms : 0;
  if (c->out >= 0) fcntl(c->out, F_SETFL, O_NONBLOCK);
  if (c->err >= 0) fcntl(c->err, F_SETFL, O_NONBLOCK);
  if (c->in >= 0) fcntl(c->in, F_SETFL, O_NONBLOCK);
  c->next = commands;
  commands = c;
  memory_due = idle ? now_ms() + 10 : 0; /* a first command alone takes a while to fill anything */
  idle = 0;
  if (!(r->flags & EXEC_QUIET)) out_number(T_SPAWNED, id, (uint32_t)pid);
  return;
failure:
  out_error(id, errno, failed);
  int *fds[] = {&in[0], &in[1], &out[0], &out[1], &err[0], &err[1], &slave, &master, &directory};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) close_fd(fds[i]);
}

static void command_kill(struct command *c) {
  if (!c->ended) kill(c->pid, SIGKILL); /* its mark may not be set yet */
  if (!c->killing) c->give_up = now_ms() + 10000;
  c->killing = 1;
}

static void command_report(struct command *c) {
  unsigned char payload[8];
  int signalled = WIFSIGNALED(c->status);
  put32(payload, (uint32_t)(signalled ? WTERMSIG(c->status) : WEXITSTATUS(c->status)));
  put32(payload + 4, (uint32_t)(c->flags | (signalled ? STATUS_SIGNALLED : 0)));
  out_frame(T_STATUS, c->id, payload, 8);
  c->reported = 1;
  close_fd(&c->in);
  buffer_free(&c->input);
}

/* Takes output that nobody wants, as fast as the kernel can: the command must not wait for it. */
static void command_discard(struct command *c, int stream, int *fd) {
  static int nowhere = -1;
  if (nowhere < 0) nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (int rounds = 0; rounds < 16; rounds++) {
    ssize_t n = c->pty || nowhere < 0 ? -1 : splice(*fd, NULL, nowhere, NULL, 1 << 20, SPLICE_F_NONBLOCK);
    if (n < 0 && errno != EAGAIN) {
      char block[4096];
      n = read(*fd, block, sizeof block);
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0 && !c->reported && !(c->flags & STATUS_TRUNCATED)) c->flags |= STATUS_TRUNCATED;
    if (n <= 0) { close_fd(fd); return; }
    if (rounds == 0 && !c->wide[stream]) {
      c->wide[stream] = 1;
      fcntl(*fd, F_SETPIPE_SZ, 1 << 20); /* fewer turns; refused when the user has many wide pipes already */
    }
  }
}

/* Reads one piece; what is beyond the limit, or comes after the report, is dropped. */
static void command_output(struct command *c, int stream) {
  int *fd = stream ? &c->err : &c->out;
  if (c->reported || c->sent[stream] == c->max) { command_discard(c, stream, fd); return; }
  unsigned char *p = buffer_reserve(&out_buffer, FRAME_HEADER + CHUNK);
  ssize_t n = read(*fd, p + FRAME_HEADER, CHUNK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0 && c->pty && !c->ended) { /* nobody has it open now; closing it would hang the command up */
    c->quiet_until = now_ms() + 50;
    return;
  }
  if (n <= 0) { close_fd(fd); return; }
  uint64_t left = c->max - c->sent[stream];
  if ((uint64_t)n > left) { n = (ssize_t)left; c->flags |= STATUS_TRUNCATED; }
  c->sent[stream] += (uint64_t)n;
  if (n == 0) return;
  frame_header(p, stream ? T_STDERR : T_STDOUT, c->id, (size_t)n);
  out_buffer.end += FRAME_HEADER + (size_t)n;
}

static void command_input(struct command *c) {
  while (buffer_length(&c->input) > 0 && c->in >= 0) {
    ssize_t n = write(c->in, c->input.data + c->input.start, buffer_length(&c->input));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) { /* the command does not read any more: take the rest, so that the host can go on */
      n = (ssize_t)buffer_length(&c->input);
      close_fd(&c->in);
    }
    buffer_consume(&c->input, (size_t)n);
    out_number(T_ACK, c->id, (uint32_t)n);
  }
  if (!c->input_ended || c->in < 0) return;
  if (c->pty && write(c->in, "\004", 1) < 0 && errno == EAGAIN) return;
  close_fd(&c->in);
}

static void commands_reap(void) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) > 0) {}
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
    if (pid <= 0) return;
    for (struct command *c = commands; c; c = c->next) {
      if (c->ended || c->pid != pid) continue;
      if (WIFSTOPPED(status)) { /* a command has stopped a transfer, for which the host would wait for ever */
        if (c->builtin && !frozen) kill(pid, SIGCONT);
        continue;
      }
      c->ended = 1;
      c->status = status;
      c->drain_until = now_ms() + DRAIN_MS;
    }
  }
}

/* Moves every command on; gives the time until one of them needs to be looked at again, or -1. */
static int commands_step(void) {
  int64_t now = now_ms(), due = INT64_MAX;
  for (struct command **link = &commands, *c; (c = *link);) {
    if (c->deadline && !c->ended && !c->killing) {
      if (now >= c->deadline) { c->flags |= STATUS_TIMED_OUT; command_kill(c); }
      else if (c->deadline < due) due = c->deadline;
    }
    if (c->quiet_until && (c->ended || now >= c->quiet_until)) c->quiet_until = 0;
    if (c->quiet_until && c->quiet_until < due) due = c->quiet_until;
    if (c->killing && !c->reported) {
      if (tree_kill(c->id) > 0 && now < c->give_up) { due = now + 1; link = &c->next; continue; }
      c->killing = c->ended ? 0 : 1;
      if (c->killing) due = now + 1;
      else c->drain_until = now;
    }
    if (c->ended && !c->reported && !c->killing) {
      /* What a dead command wrote is in the pipes already: take it, and wait only for those that hold them open. */
      if (c->out < 0 && c->err < 0) command_report(c);
      else if (now >= c->drain_until && room()) {
        struct pollfd p[2] = {{.fd = c->out, .events = POLLIN}, {.fd = c->err, .events = POLLIN}};
        if (poll(p, 2, 0) == 0 || now >= c->drain_until + 2000) command_report(c);
        else due = now + 1;
      } else if (c->drain_until < due) due = c->drain_until;
    }
    if (c->reported && c->out < 0 && c->err < 0) {
      *link = c->next;
      buffer_free(&c->input);
      close_fd(&c->in);
      free(c);
      continue;
    }
    link = &c->next;
  }
  if (due == INT64_MAX) return -1;
  return due <= now ? 0 : due - now > 60000 ? 60000 : (int)(due - now);
}

static int command_runs(uint32_t tag) {
  struct command *c = command_find(tag);
  return c && !c->reported;
}

static int memory_step(void) {
  int64_t now = now_ms();
  siginfo_t info;
  if (!commands && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) idle = 1;
  if (idle) return -1;
  if (now < memory_due) return (int)(memory_due - now);
  uint32_t tag;
  int count = 0, wait = memory_watch(cfg, files, &tag, &count);
  struct command *c = tag ? command_find(tag) : NULL;
  if (c) c->flags |= STATUS_MEMORY;
  memory_due = now_ms() + wait;
  /* What ended commands left behind (a fork bomb in the background) must not keep the next command from starting. A few
   * passes: what forks while it is killed is met in the next. */
  if (count + 8 >= (int)cfg->pids) {
    for (int pass = 0; pass < 32 && leftovers_kill(command_runs) > 0; pass++) {}
  }
  if (count > (int)cfg->pids * 2) { /* several users inside, each with the limit of its own */
    for (c = commands; c; c = c->next) if (!c->reported) command_kill(c);
  }
  return wait;
}

/* ---- files ---- */

/* Sends pieces of the files that are being read while there is room; gives 1 when there is more to send. */
static int readers_step(void) {
  for (struct reader **link = &readers, *r; (r = *link);) {
    while (r->left > 0 && room()) {
      size_t want = r->left < CHUNK ? (size_t)r->left : CHUNK;
      unsigned char *p = buffer_reserve(&out_buffer, FRAME_HEADER + want);
      ssize_t n = pread(r->fd, p + FRAME_HEADER, want, r->offset);
      if (n <= 0) { if (n < 0) out_error(r->id, errno, "read"); r->left = 0; if (n < 0) goto next; break; }
      frame_header(p, T_DATA, r->id, (size_t)n);
      out_buffer.end += FRAME_HEADER + (size_t)n;
      r->left -= (uint64_t)n;
      r->offset += n;
    }
    if (r->left > 0) return 1;
    out_frame(T_OK, r->id, NULL, 0);
  next:
    *link = r->next;
    close(r->fd);
    free(r);
  }
  return 0;
}

static void read_start(uint32_t id, const unsigned char *p, size_t length) {
  char *path = length > 16 ? text_dup(p + 16, length - 16) : NULL;
  if (!path) { out_error(id, EINVAL, "read"); return; }
  uint64_t offset = get64(p), count = get64(p + 8), size;
  struct reader *r = calloc(1, sizeof *r);
  int error = !r ? ENOMEM : file_open_read(path, &r->fd, &size);
  free(path);
  if (!error && offset > INT64_MAX) { error = EINVAL; close(r->fd); }
  if (error) { free(r); out_error(id, error, "read"); return; }
  r->id = id;
  r->offset = (off_t)offset;
  r->left = count;
  r->next = readers;
  readers = r;
}

static struct writer **writer_find(uint32_t id) {
  struct writer **link = &writers;
  while (*link && (*link)->id != id) link = &(*link)->next;
  return link;
}

static void write_start(uint32_t id, const unsigned char *p, size_t length) {
  char *path = length > 5 ? text_dup(p + 5, length - 5) : NULL;
  struct writer *w = calloc(1, sizeof *w);
  if (!w) bad_frame("out of memory");
  w->id = id;
  w->fd = w->directory = -1;
  w->error = path ? writer_open(w, path, get32(p), p[4]) : EINVAL;
  free(path);
  w->next = writers;
  writers = w;
}

static void write_data(uint32_t id, const unsigned char *p, size_t length) {
  struct writer *w = *writer_find(id);
  if (!w) return; /* aborted before */
  while (!w->error && length > 0) {
    ssize_t n = write(w->fd, p, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) { w->error = errno; break; }
    p += n;
    length -= (size_t)n;
  }
}

static void write_finish(uint32_t id, int commit) {
  struct writer **link = writer_find(id), *w = *link;
  if (!w) { if (commit) out_error(id, EBADF, "write"); return; }
  if (commit && !w->error) w->error = writer_commit(w);
  int error = w->error;
  *link = w->next;
  writer_abort(w); /* closes; removes the temporary file unless it was renamed */
  free(w);
  if (commit && error) out_error(id, error, "write");
  else if (commit) out_frame(T_OK, id, NULL, 0);
}

/* ---- forwarded sockets ---- */

int forwards_listen(const struct config *config) {
  for (int i = 0; i < config->sockets.count; i++) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = config->sockets.item[i];
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (make_parents(path) < 0 || (unlink(path) < 0 && errno != ENOENT)) return -1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0 || chmod(path, 0666) < 0) return -1;
    listeners[listener_count++] = fd;
  }
  return 0;
}

static struct forward *forward_find(uint32_t id) {
  struct forward *f = forwards;
  while (f && f->id != id) f = f->next;
  return f;
}

static void forward_accept(int index) {
  int fd = accept4(listeners[index], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  struct forward *f = calloc(1, sizeof *f);
  if (!f) { close(fd); return; }
  f->fd = fd;
  f->id = next_forward++;
  if (next_forward == 0) next_forward = 0x80000000u;
  f->next = forwards;
  forwards = f;
  forward_count++;
  out_number(T_SOCKET_OPEN, f->id, (uint32_t)index);
}

static void forward_read(struct forward *f) {
  unsigned char *p = buffer_reserve(&out_buffer, FRAME_HEADER + CHUNK);
  ssize_t n = read(f->fd, p + FRAME_HEADER, CHUNK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    f->ended_in = 1;
    out_frame(n < 0 ? T_SOCKET_CLOSE : T_SOCKET_END, f->id, NULL, 0);
    if (n < 0) f->ended_out = 1;
    return;
  }
  frame_header(p, T_SOCKET_DATA, f->id, (size_t)n);
  out_buffer.end += FRAME_HEADER + (size_t)n;
  f->unacknowledged += (uint64_t)n;
}

static void forward_write(struct forward *f) {
  while (f->fd >= 0 && buffer_length(&f->output) > 0) {
    ssize_t n = send(f->fd, f->output.data + f->output.start, buffer_length(&f->output), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) { n = (ssize_t)buffer_length(&f->output); f->ended_in = f->ended_out = 1; out_frame(T_SOCKET_CLOSE, f->id, NULL, 0); }
    buffer_consume(&f->output, (size_t)n);
    out_number(T_SOCKET_ACK, f->id, (uint32_t)n);
  }
  if (f->ended_out) shutdown(f->fd, SHUT_WR);
}

static void forwards_sweep(void) {
  for (struct forward **link = &forwards, *f; (f = *link);) {
    if (!f->ended_in || !f->ended_out || buffer_length(&f->output) > 0) { link = &f->next; continue; }
    *link = f->next;
    forward_count--;
    close(f->fd);
    buffer_free(&f->output);
    free(f);
  }
}

static void forward_frame(const struct frame *frame) {
  struct forward *f = forward_find(frame->id);
  if (!f) return; /* closed on this side already */
  if (frame->type == T_SOCKET_DATA) {
    if (buffer_length(&f->output) + frame->length > WINDOW) bad_frame("a socket's window was exceeded");
    buffer_append(&f->output, frame->payload, frame->length);
    forward_write(f);
  } else if (frame->type == T_SOCKET_END) {
    f->ended_out = 1;
    forward_write(f);
  } else if (frame->type == T_SOCKET_ACK && frame->length == 4) {
    uint32_t n = get32(frame->payload);
    f->unacknowledged -= n < f->unacknowledged ? n : f->unacknowledged;
  } else {
    f->ended_in = f->ended_out = 1;
    buffer_free(&f->output);
  }
}

/* ---- the host's frames ---- */

static void on_exec(const struct frame *frame) {
  struct exec_request request;
  if (frame->id == 0 || frame->id >= 0x80000000u || command_find(frame->id)) bad_frame("an exec has an id that is in use or out of range");
  if (exec_request_parse(frame->payload, frame->length, &request) < 0) bad_frame("an exec request is malformed");
  command_start(frame->id, &request);
  exec_request_free(&request);
}

static void on_stat(const struct frame *frame) {
  unsigned char result[21];
  char *path = frame->length > 1 ? text_dup(frame->payload + 1, frame->length - 1) : NULL;
  int error = path ? file_stat(path, frame->payload[0], result) : EINVAL;
  free(path);
  if (error) out_error(frame->id, error, "stat");
  else out_frame(T_STAT_RESULT, frame->id, result, sizeof result);
}

static void on_input(const struct frame *frame) {
  struct command *c = command_find(frame->id);
  if (!c) return;
  if (frame->type == T_STDIN_END) c->input_ended = 1;
  else if (buffer_length(&c->input) + frame->length > WINDOW) bad_frame("a command's input window was exceeded");
  else if (c->in < 0) out_number(T_ACK, c->id, frame->length);
  else buffer_append(&c->input, frame->payload, frame->length);
  command_input(c);
}

static void on_kill(const struct frame *frame) {
  struct command *c = command_find(frame->id);
  if (c && !c->reported) { command_kill(c); return; }
  /* The command itself ended before; what it left running is known by its mark. */
  for (int pass = 0; pass < 500 && tree_kill(frame->id) > 0; pass++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void on_resize(const struct frame *frame) {
  struct command *c = command_find(frame->id);
  if (!c || !c->pty || c->in < 0 || frame->length != 4) return;
  struct winsize size = {.ws_row = get16(frame->payload), .ws_col = get16(frame->payload + 2)};
  ioctl(c->in, TIOCSWINSZ, &size);
}

static void on_frame(const struct frame *frame) {
  switch (frame->type) {
    case T_EXEC: on_exec(frame); break;
    case T_STDIN: case T_STDIN_END: on_input(frame); break;
    case T_KILL: on_kill(frame); break;
    case T_RESIZE: on_resize(frame); break;
    case T_STAT: on_stat(frame); break;
    case T_READ: read_start(frame->id, frame->payload, frame->length); break;
    case T_WRITE: write_start(frame->id, frame->payload, frame->length); break;
    case T_WRITE_DATA: write_data(frame->id, frame->payload, frame->length); break;
    case T_WRITE_END: write_finish(frame->id, 1); break;
    case T_WRITE_ABORT: write_finish(frame->id, 0); break;
    case T_FREEZE:
      frozen = processes_freeze() == 0;
      if (frozen) out_frame(T_OK, frame->id, NULL, 0);
      else out_error(frame->id, EBUSY, "freeze");
      break;
    case T_THAW: frozen = 0; processes_thaw(); out_frame(T_OK, frame->id, NULL, 0); break;
    case T_PING: out_frame(T_OK, frame->id, NULL, 0); break;
    case T_SOCKET_DATA: case T_SOCKET_END: case T_SOCKET_CLOSE: case T_SOCKET_ACK: forward_frame(frame); break;
    default: bad_frame("a frame has an unknown type");
  }
}

static void host_read(struct buffer *in) {
  unsigned char *p = buffer_reserve(in, CHUNK * 4);
  ssize_t n = read(0, p, CHUNK * 4);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) _exit(0); /* the host closed or is gone: the end of the sandbox */
  in->end += (size_t)n;
  struct frame frame;
  for (int got; (got = frame_next(in, &frame));) {
    if (got < 0) bad_frame("a frame is too long");
    on_frame(&frame);
    buffer_consume(in, FRAME_HEADER + frame.length);
  }
}

static struct pollfd *polled;
static size_t polled_capacity;

static void watch(size_t *count, int fd, short events) {
  if (*count == polled_capacity) {
    polled_capacity = polled_capacity ? polled_capacity * 2 : 32;
    polled = realloc(polled, polled_capacity * sizeof *polled);
    if (!polled) abort();
  }
  polled[(*count)++] = (struct pollfd){.fd = fd, .events = events};
}

static int sooner(int a, int b) { return a < 0 ? b : b < 0 ? a : a < b ? a : b; }

noreturn void serve(const struct config *config, const struct store *store) {
  struct buffer in = {0};
  cfg = config;
  files = store;
  signal(SIGPIPE, SIG_IGN);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) fail("signalfd: %m");
  fcntl(0, F_SETFL, O_NONBLOCK);
  fcntl(1, F_SETFL, O_NONBLOCK);
  for (;;) {
    int wait = commands_step();
    wait = sooner(wait, memory_step());
    forwards_sweep();
    readers_step();
    out_flush();
    if (readers && room()) wait = 0;

    size_t count = 0;
    int readable = room() ? POLLIN : 0;
    watch(&count, 0, POLLIN);
    watch(&count, 1, buffer_length(&out_buffer) ? POLLOUT : 0);
    watch(&count, signals, POLLIN);
    for (int i = 0; i < listener_count; i++) watch(&count, listeners[i], readable && forward_count < FORWARDS_MAX && buffer_length(&out_buffer) < OUTPUT_HIGH / 2 ? POLLIN : 0);
    for (struct command *c = commands; c; c = c->next) {
      watch(&count, (readable || c->reported) && !c->quiet_until ? c->out : -1, POLLIN);
      watch(&count, readable || c->reported ? c->err : -1, POLLIN);
      watch(&count, buffer_length(&c->input) ? c->in : -1, POLLOUT);
    }
    for (struct forward *f = forwards; f; f = f->next) {
      short events = (short)((!f->ended_in && readable && f->unacknowledged < WINDOW / 4 ? POLLIN : 0) | (buffer_length(&f->output) ? POLLOUT : 0));
      watch(&count, events ? f->fd : -1, events);
    }
    struct command *commands_then = commands;
    struct forward *forwards_then = forwards;
    int listeners_then = listener_count;
    if (poll(polled, count, wait) < 0) {
      if (errno != EINTR) _exit(4);
      continue;
    }
    size_t at = 3 + (size_t)listeners_then;
    for (struct command *c = commands_then; c; c = c->next, at += 3) {
      if (polled[at].revents) command_output(c, 0);
      if (polled[at + 1].revents) command_output(c, 1);
      if (polled[at + 2].revents) command_input(c);
    }
    for (struct forward *f = forwards_then; f; f = f->next, at++) {
      if (polled[at].revents & (POLLIN | POLLHUP | POLLERR) && polled[at].events & POLLIN) forward_read(f);
      if (polled[at].revents & (POLLOUT | POLLERR)) forward_write(f);
    }
    for (int i = 0; i < listeners_then; i++) if (polled[3 + i].revents & POLLIN) forward_accept(i);
    if (polled[2].revents) commands_reap();
    if (polled[0].revents) host_read(&in);
  }
}
