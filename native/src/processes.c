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

/* The state letter of /proc/PID/stat; 0 when the process is gone. */
static char state_of(pid_t pid) {
  char text[512];
  if (proc_read(pid, "stat", text, sizeof text) <= 0) return 0;
  char *close_bracket = strrchr(text, ')');
  return close_bracket && close_bracket[1] == ' ' ? close_bracket[2] : 0;
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
  char state = state_of(process->pid);
  if (state == 0 || state == 'Z' || state == 'X') return 0;
  kill(process->pid, SIGKILL);
  return 1;
}

int tree_kill(uint32_t tag) { return tag == 0 ? 0 : processes_each(kill_tagged, &tag); }

/* ---- stopping everything, for a snapshot ---- */

static pid_t *frozen;
static size_t frozen_count, frozen_capacity;

static int freeze_one(const struct process *process, void *context) {
  (void)context;
  char state = state_of(process->pid);
  if (state == 0 || state == 'Z' || state == 'X' || state == 'T' || state == 't') return 0;
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
  return -1; /* something sits in the kernel and can't be stopped now */
}

void processes_thaw(void) {
  for (size_t i = 0; i < frozen_count; i++) kill(frozen[i], SIGCONT);
  frozen_count = 0;
}

/* ---- memory ---- */

struct usage { uint64_t sum, largest; pid_t largest_pid; int count, precise; };

/* Private memory: what the sum over processes may count without counting shared files again and again. */
static int add_usage(const struct process *process, void *context) {
  struct usage *usage = context;
  char text[2048];
  uint64_t bytes = 0;
  int known = 0;
  if (usage->precise && proc_read(process->pid, "smaps_rollup", text, sizeof text) > 0) {
    char *anon = strstr(text, "\nPss_Anon:");
    if (anon) { bytes = strtoull(anon + 10, NULL, 10) << 10; known = 1; }
  }
  if (!known) {
    unsigned long long size, resident, shared;
    if (proc_read(process->pid, "statm", text, sizeof text) <= 0) return 0;
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || resident < shared) return 0;
    bytes = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
  }
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

int memory_watch(const struct config *config, const struct store *store, uint32_t *victim_tag, int *processes) {
  struct usage usage = {0};
  struct statvfs fs;
  uint64_t files = 0;
  *victim_tag = 0;
  if (fstatvfs(store->root, &fs) == 0) files = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
  uint64_t segments = shared_segments(0);
  processes_each(add_usage, &usage);
  *processes = usage.count;
  /* Files have a limit of their own; whatever they take, a fair part of the memory is left to processes. */
  uint64_t fixed = files + segments, floor = config->memory / 4;
  uint64_t budget = fixed + floor > config->memory ? floor : config->memory - fixed;
  if (usage.sum > budget) {
    usage = (struct usage){.precise = 1};
    processes_each(add_usage, &usage);
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
