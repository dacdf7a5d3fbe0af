/*
 * The launcher. Reads the configuration, makes the namespaces with one clone, gives the child its user ids and, as
 * real root, the mounts that only root can make; then it only waits, so that the host sees the end of pid 1. The user
 * ids inside are never the host's root: real root takes an unused range, a user maps itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"

#define RANGE_START 200000u
#define RANGE_LENGTH 65536u

static void send_all(uint8_t type, const void *payload, size_t length) {
  unsigned char header[FRAME_HEADER];
  put32(header, (uint32_t)length);
  put32(header + 4, 0);
  header[8] = type;
  for (int part = 0; part < 2; part++) {
    const unsigned char *p = part ? payload : header;
    size_t left = part ? length : sizeof header;
    while (left > 0) {
      ssize_t n = write(1, p, left);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) _exit(2);
      p += n;
      left -= (size_t)n;
    }
  }
}

noreturn void fail(const char *format, ...) {
  char text[1024];
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  errno = error;
  int n = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  send_all(T_FAILED, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
  _exit(2);
}

static void read_exactly(void *to, size_t length) {
  for (unsigned char *p = to; length > 0;) {
    ssize_t n = read(0, p, length);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) _exit(0);
    if (n < 0) fail("read the configuration: %m");
    p += n;
    length -= (size_t)n;
  }
}

static void read_config(struct config *config) {
  unsigned char header[FRAME_HEADER];
  const char *problem;
  read_exactly(header, sizeof header);
  uint32_t length = get32(header);
  if (header[8] != T_CONFIG || length > FRAME_MAX) fail("the first frame is not a configuration");
  char *text = malloc(length + 1); /* stays: the configuration points into it */
  if (!text) fail("memory: %m");
  read_exactly(text, length);
  if (config_parse(text, length, config, &problem) < 0) fail("configuration: %.200s", problem);
}

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) fail("write %s: %m", path);
  close(fd);
}

/* Whether ids from RANGE_START can be given away here: not in a user namespace that has fewer. */
static int range_is_ours(void) {
  FILE *file = fopen("/proc/self/uid_map", "re");
  unsigned inside, outside, length;
  int covered = 0;
  if (!file) fail("open /proc/self/uid_map: %m");
  while (fscanf(file, "%u %u %u", &inside, &outside, &length) == 3)
    if (inside <= RANGE_START && length >= RANGE_START - inside + RANGE_LENGTH) covered = 1;
  fclose(file);
  return covered;
}

static int is_real_root(void) {
  char text[64] = "";
  int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  unsigned inside, outside, length;
  return n > 0 && sscanf(text, "%u %u %u", &inside, &outside, &length) == 3 && inside == 0 && outside == 0 && length == UINT32_MAX;
}

static void map_ids(pid_t child, int range, int inner) {
  char path[64], text[64];
  if (!range) {
    snprintf(path, sizeof path, "/proc/%d/setgroups", (int)child);
    write_text(path, "deny");
  }
  snprintf(path, sizeof path, "/proc/%d/uid_map", (int)child);
  if (range) snprintf(text, sizeof text, "0 %u %u", RANGE_START, RANGE_LENGTH);
  else snprintf(text, sizeof text, "%d %u 1", inner, geteuid());
  write_text(path, text);
  snprintf(path, sizeof path, "/proc/%d/gid_map", (int)child);
  if (!range) snprintf(text, sizeof text, "%d %u 1", inner, getegid());
  write_text(path, text);
}

/* A detached mount of `path`; with a user namespace its owners are shifted into the sandbox's range. */
static int source_open(const char *path, int user_namespace) {
  int tree = tree_open(path);
  if (tree < 0) fail("open %s: %m", path);
  if (user_namespace < 0) return tree;
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user_namespace};
  /* A file system that can't be shifted is shown as it is: readable, but owned by nobody. */
  syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr);
  return tree;
}

/* Real root opens what the child, which is nobody on the host, may not be able to reach. */
static void open_sources(const struct config *config, pid_t child, struct sources *sources) {
  if (config->rootfs) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0) fail("open %s: %m", path);
    sources->rootfs = source_open(config->rootfs, namespace);
    close(namespace);
  }
  if (config->layer) sources->layer = source_open(config->layer, -1);
  for (int i = 0; i < config->lower.count; i++) sources->lower[i] = source_open(config->lower.item[i], -1);
  for (int i = 0; i < config->readonly.count; i++) sources->readonly[i] = source_open(config->readonly.item[i], -1);
}

/* A user-mode network attaches from outside, by the launcher's descriptors 0 (user) and 1 (network): those of pid 1
 * itself can't be opened by anyone once it is not dumpable. */
static void open_namespaces(pid_t child, struct sources *sources) {
  static const char *const names[2] = {"user", "net"};
  char path[64];
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)child, names[i]);
    if ((sources->namespaces[i] = open(path, O_RDONLY | O_CLOEXEC)) < 0) fail("open %s: %m", path);
  }
}

/* Numbers that the kernel counts for the host's user as a whole, so that one sandbox can't use up the others' part; and
 * a second wall against nested namespaces. Where /proc/sys is read-only (in some containers) seccomp alone stands. */
static void own_share(void) {
  static const char *const shares[][2] = {{"max_user_namespaces", "0"}, {"max_inotify_instances", "16"}, {"max_inotify_watches", "16384"}};
  char path[64];
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    snprintf(path, sizeof path, "/proc/sys/user/%s", shares[i][0]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    if (write(fd, shares[i][1], strlen(shares[i][1])) < 0 && errno != EPERM && errno != EROFS) fail("set %s: %m", path);
    close(fd);
  }
}

static noreturn void inside(const struct config *config, const int channel[2], int range, char *name) {
  struct sources sources;
  struct store store;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail("death with the parent: %m");
  /* Should the launcher have been killed before that, the end of the input is what tells. */
  struct pollfd told[2] = {{.fd = channel[1], .events = POLLIN}, {.fd = 0, .events = POLLRDHUP}};
  while (poll(told, 2, -1) < 0) if (errno != EINTR) fail("wait for the launcher: %m");
  if (!(told[0].revents & POLLIN)) _exit(0);
  if (read(channel[1], &sources, sizeof sources) != sizeof sources) _exit(0); /* the launcher failed and said so */
  if (unshare(CLONE_FILES) < 0 || write(channel[1], "", 1) != 1) fail("own descriptors: %m");
  close(channel[0]);
  close(channel[1]);
  close(sources.death);
  for (int i = 0; i < 2; i++) if (sources.namespaces[i] >= 0) close(sources.namespaces[i]);
  setsid();
  memset(name, 0, strlen(name)); /* where the program lies on the host is shown to nobody inside */
  write_text("/proc/self/oom_score_adj", "300"); /* should the machine run out of memory, a hog in here goes before the host */
  own_share();
  if (range && setgroups(0, NULL) < 0) fail("leave the groups: %m");
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) fail("keep the capabilities: %m");
  gid_t gid = (gid_t)config->inner_id;
  uid_t uid = (uid_t)config->inner_id;
  if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) fail("take the inner id %d: %m", config->inner_id);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail("death with the parent: %m"); /* a change of ids clears it */
  view_enter(config, &sources, &store);
  if (config->view != VIEW_LAYER) network_up(config);
  privileges_drop(config);
  if (forwards_listen(config) < 0) fail("listen on a forwarded socket: %m");
  if (config->view != VIEW_LAYER && seccomp_install() < 0) fail("seccomp: %m"); /* a layer's whiteouts are device nodes */
  send_all(T_READY, NULL, 0);
  serve(config, &store);
}

int main(int argc, char **argv) {
  struct config config;
  struct sources sources;
  int channel[2], status;
  pid_t parent = getppid(), waited;
  if (syscall(SYS_close_range, 3, ~0u, 0) < 0) fail("close inherited descriptors (Linux 5.14 or newer is needed): %m");
  signal(SIGPIPE, SIG_IGN);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail("death with the parent: %m");
  if (getppid() != parent) _exit(0);
  setsid();
  read_config(&config);
  memset(&sources, -1, sizeof sources);
  int range = geteuid() == 0 && range_is_ours();
  if (geteuid() == 0 && !range && is_real_root()) fail("real root without an unused range of ids");
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) fail("socket pair: %m");
  unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_FILES | SIGCHLD;
  if (config.network != NET_HOST) flags |= CLONE_NEWNET;
  pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
  if (child < 0) fail("make the namespaces: %m");
  if (child == 0) inside(&config, channel, range, argc > 0 ? argv[0] : (char[1]){0});
  map_ids(child, range, config.inner_id);
  if (range) open_sources(&config, child, &sources);
  if (config.network == NET_USER) open_namespaces(child, &sources);
  /* The table of descriptors is shared until the child has its own, so the end of a child that dies before that closes
   * nothing: it has to be watched for. */
  if ((sources.death = (int)syscall(SYS_pidfd_open, child, 0)) < 0) fail("watch pid 1: %m");
  unsigned char pid[4], taken;
  put32(pid, (uint32_t)child);
  send_all(T_HELLO, pid, sizeof pid);
  if (write(channel[0], &sources, sizeof sources) != sizeof sources) fail("start pid 1: %m");
  struct pollfd answer[2] = {{.fd = channel[0], .events = POLLIN}, {.fd = sources.death, .events = POLLIN}};
  while (poll(answer, 2, -1) < 0) if (errno != EINTR) fail("wait for pid 1: %m");
  if (answer[0].revents & POLLIN && read(channel[0], &taken, 1) == 1) {
    int first = 0; /* the launcher keeps none of what is the child's now */
    if (config.network == NET_USER) for (; first < 2; first++) dup2(sources.namespaces[first], first);
    syscall(SYS_close_range, first, ~0u, 0);
  }
  while ((waited = waitpid(child, &status, 0)) < 0 && errno == EINTR) {}
  return waited == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
