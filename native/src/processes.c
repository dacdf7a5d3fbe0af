/*
 * Looking at, stopping and killing what runs inside. A process belongs to the command whose number it carries as its
 * RLIMIT_RTTIME: children inherit it, and seccomp forbids to change it, so neither a double fork nor a new session
 * leaves the tree. The memory watch sums what no kernel limit sums here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "jail.h"

static DIR *proc_directory;

static ssize_t proc_read(pid_t pid, const char *name, char *text, size_t size) {
  char path[48];
  snprintf(path, sizeof path, "%d/%s", (int)pid, name);
  int fd = openat(dirfd(proc_directory), path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, text, size - 1);
  close(fd);
  text[n < 0 ? 0 : n] = 0;
  return n;
}

/* The state letter in `name`, the stat of a process or thread; Z and X are 0, as are those that are gone. */
static char state_in(pid_t pid, const char *name) {
  char text[512];
  if (proc_read(pid, name, text, sizeof text) <= 0) return 0;
  char *close_bracket = strrchr(text, ')');
  char state = close_bracket && close_bracket[1] == ' ' ? close_bracket[2] : 0;
  return state == 'Z' || state == 'X' ? 0 : state;
}

/* A process whose first thread has ended looks dead, has no memory to be seen, and lives on in its other threads.
 * Gives where in its /proc directory a living thread is found ("" for the first one); 0 when there is none. */
static int living_thread(pid_t pid, char where[32], char *state) {
  where[0] = 0;
  if ((*state = state_in(pid, "stat"))) return 1;
  char path[48];
  snprintf(path, sizeof path, "%d/task", (int)pid);
  int fd = openat(dirfd(proc_directory), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
  if (!tasks) {
    if (fd >= 0) close(fd);
    return 0;
  }
  for (struct dirent *entry; !*state && (entry = readdir(tasks));) {
    long thread = strtol(entry->d_name, NULL, 10);
    if (thread <= 0) continue;
    snprintf(where, 32, "task/%ld/stat", thread);
    *state = state_in(pid, where);
    snprintf(where, 32, "task/%ld/", thread);
  }
  closedir(tasks);
  return *state != 0;
}

/* The state letter of a process; 0 when it is dead. */
static char state_of(pid_t pid) {
  char where[32], state;
  return living_thread(pid, where, &state) ? state : 0;
}

static uint32_t tag_of(pid_t pid) {
  char text[4096];
  if (proc_read(pid, "limits", text, sizeof text) <= 0) return 0;
  char *line = strstr(text, "\nMax realtime timeout ");
  if (!line) return 0;
  uint64_t value = strtoull(line + 22, NULL, 10);
  return value >= TAG_BASE && value < TAG_BASE + UINT32_MAX ? (uint32_t)(value - TAG_BASE) : 0;
}

int processes_each(int (*visit)(const struct process *, void *), void *context) {
  if (!proc_directory && !(proc_directory = opendir("/proc"))) return -1;
  rewinddir(proc_directory);
  int visited = 0;
  for (struct dirent *entry; (entry = readdir(proc_directory));) {
    char *end;
    long pid = strtol(entry->d_name, &end, 10);
    if (*end || pid <= 1) continue;
    struct process process = {.pid = (pid_t)pid};
    visited += visit(&process, context);
  }
  return visited;
}

static int kill_tagged(const struct process *process, void *context) {
  if (tag_of(process->pid) != *(uint32_t *)context) return 0;
  if (!state_of(process->pid)) return 0;
  kill(process->pid, SIGKILL);
  return 1;
}

int tree_kill(uint32_t tag) { return tag == 0 ? 0 : processes_each(kill_tagged, &tag); }

static int kill_leftover(const struct process *process, void *context) {
  int (*runs)(uint32_t) = *(int (**)(uint32_t))context;
  uint32_t tag = tag_of(process->pid);
  if (tag == 0 || runs(tag) || !state_of(process->pid)) return 0;
  kill(process->pid, SIGKILL);
  return 1;
}

int leftovers_kill(int (*runs)(uint32_t)) { return processes_each(kill_leftover, &runs); }

/* ---- stopping everything, for a snapshot ---- */

static pid_t *frozen;
static size_t frozen_count, frozen_capacity;

static int freeze_one(const struct process *process, void *context) {
  (void)context;
  char state = state_of(process->pid);
  if (state == 0 || state == 'T' || state == 't') return 0;
  for (size_t i = 0; i < frozen_count; i++)
    if (frozen[i] == process->pid) return 1; /* told, but not stopped yet */
  if (kill(process->pid, SIGSTOP) < 0) return 0;
  if (frozen_count == frozen_capacity) {
    size_t capacity = frozen_capacity ? frozen_capacity * 2 : 64;
    pid_t *list = realloc(frozen, capacity * sizeof *list);
    if (!list) return 1;
    frozen = list;
    frozen_capacity = capacity;
  }
  frozen[frozen_count++] = process->pid;
  return 1;
}

int processes_freeze(void) {
  for (int pass = 0; pass < 200; pass++) {
    if (processes_each(freeze_one, NULL) == 0) return 0;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  processes_thaw();
  return -1; /* something sits in the kernel and can't be stopped now */
}

void processes_thaw(void) {
  for (size_t i = 0; i < frozen_count; i++) kill(frozen[i], SIGCONT);
  frozen_count = 0;
}

/* ---- memory ---- */

enum { LOOK_MAPPINGS = 1, LOOK_PSS = 2 };
struct usage { uint64_t sum, largest, hidden; pid_t largest_pid; int count, look; };

#define MAPPINGS_TEXT (4u << 20)
#define SEEN_MAX 4096
static struct { uint64_t inode, extent; } seen[SEEN_MAX]; /* shared anonymous memory in one look at all processes */
static int seen_count;

/* The bytes up to `extent` of a piece of shared memory that were not counted yet. */
static uint64_t not_seen(uint64_t inode, uint64_t extent) {
  size_t at = (size_t)(inode * 0x9e3779b97f4a7c15ull >> 52);
  while (seen[at].inode && seen[at].inode != inode) at = (at + 1) % SEEN_MAX;
  if (!seen[at].inode) {
    if (seen_count > SEEN_MAX / 2) return extent; /* too many to tell apart: each counts */
    seen[at].inode = inode;
    seen_count++;
  }
  uint64_t more = extent > seen[at].extent ? extent - seen[at].extent : 0;
  seen[at].extent += more;
  return more;
}

/* Shared anonymous mappings: memory in no file, and in nobody's private pages, which stays when its user lets go of the
 * pages. So all that was mapped counts, once for all that share it. `other` is what counts for a process with more mappings than can be looked at. */
static uint64_t shared_mappings(pid_t pid, const char *where, uint64_t other) {
  static char text[CHUNK + 1];
  char name[48];
  uint64_t sum = 0;
  size_t have = 0, total = 0;
  snprintf(name, sizeof name, "%d/%smaps", (int)pid, where);
  int fd = openat(dirfd(proc_directory), name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  for (ssize_t n; (n = read(fd, text + have, CHUNK - have)) > 0;) {
    have += (size_t)n;
    if ((total += (size_t)n) > MAPPINGS_TEXT) { sum = other; break; }
    text[have] = 0;
    char *line = text, *end;
    for (; (end = strchr(line, '\n')); line = end + 1) {
      unsigned long long from, to, offset, inode;
      *end = 0;
      if (end - line < 19 || strcmp(end - 19, "/dev/zero (deleted)")) continue;
      if (sscanf(line, "%llx-%llx %*s %llx %*s %llu", &from, &to, &offset, &inode) == 4) sum += not_seen(inode, offset + (to - from));
    }
    have -= (size_t)(line - text);
    memmove(text, line, have);
    if (have == CHUNK) have = 0; /* no line is that long */
  }
  close(fd);
  return sum;
}

/* Private memory, and shared memory that lies in no file: what the sum over processes may count without counting files again and again. */
static int add_usage(const struct process *process, void *context) {
  struct usage *usage = context;
  char text[2048], where[32], name[64], state;
  unsigned long long size, resident, shared, data;
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  if (!living_thread(process->pid, where, &state)) return 0;
  snprintf(name, sizeof name, "%sstatm", where);
  if (proc_read(process->pid, name, text, sizeof text) <= 0) return 0;
  if (sscanf(text, "%llu %llu %llu %*u %*u %llu", &size, &resident, &shared, &data) != 4 || resident < shared) return 0;
  uint64_t bytes = (resident - shared) * page, hidden = size > data ? (size - data) * page : 0;
  if (usage->look & LOOK_PSS) {
    snprintf(name, sizeof name, "%ssmaps_rollup", where);
    char *anon = proc_read(process->pid, name, text, sizeof text) > 0 ? strstr(text, "\nPss_Anon:") : NULL;
    if (anon) bytes = strtoull(anon + 10, NULL, 10) << 10;
  }
  if (usage->look & LOOK_MAPPINGS) bytes += shared_mappings(process->pid, where, hidden);
  usage->hidden += hidden;
  usage->count++;
  usage->sum += bytes;
  if (bytes >= usage->largest) { usage->largest = bytes; usage->largest_pid = process->pid; }
  return 1;
}

/* System V segments live outside the tmpfs. When they alone are too much they are removed. */
static uint64_t shared_segments(int drop) {
  char line[512];
  uint64_t sum = 0;
  FILE *file = fopen("/proc/sysvipc/shm", "re");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) {
    long long key;
    int id;
    unsigned long long size;
    unsigned mode;
    if (sscanf(line, "%lld %d %o %llu", &key, &id, &mode, &size) != 4) continue;
    char *field = line;
    unsigned long long rss = 0, swapped = 0;
    for (int i = 0; i < 14 && field; i++) { /* the 15th and 16th columns: resident and swapped bytes */
      field += strspn(field, " ");
      field = strchr(field, ' ');
    }
    if (field && sscanf(field, "%llu %llu", &rss, &swapped) >= 1) sum += rss + swapped;
    if (drop) shmctl(id, IPC_RMID, NULL);
  }
  fclose(file);
  return sum;
}

static struct usage usage_now(int look) {
  struct usage usage = {.look = look};
  memset(seen, 0, sizeof seen);
  seen_count = 0;
  processes_each(add_usage, &usage);
  return usage;
}

int memory_watch(const struct config *config, const struct store *store, uint32_t *victim_tag, int *processes) {
  struct statvfs fs;
  uint64_t files = 0;
  *victim_tag = 0;
  if (fstatvfs(store->root, &fs) == 0) files = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
  uint64_t segments = shared_segments(0);
  /* Files have a limit of their own; whatever they take, a fair part of the memory is left to processes. */
  uint64_t fixed = files + segments, floor = config->memory / 4;
  uint64_t budget = fixed + floor > config->memory ? floor : config->memory - fixed;
  struct usage usage = usage_now(0);
  *processes = usage.count;
  if (usage.sum + usage.hidden > budget) usage = usage_now(LOOK_MAPPINGS);
  if (usage.sum > budget) {
    usage = usage_now(LOOK_MAPPINGS | LOOK_PSS);
    if (segments > config->memory / 2) shared_segments(1);
    if (usage.sum > budget && usage.largest_pid > 1) {
      *victim_tag = tag_of(usage.largest_pid);
      kill(usage.largest_pid, SIGKILL);
      return 2;
    }
  } else if (segments > config->memory) {
    shared_segments(1);
  }
  /* A hog fills about 4 GB a second: look again before it can pass the limit by much. */
  uint64_t wait = (budget - (usage.sum < budget ? usage.sum : budget)) / (4u << 20);
  return wait < 10 ? 10 : wait > 200 ? 200 : (int)wait;
}
