/*
 * File operations of pid 1. Paths are resolved in the sandbox's own root, so nothing of the host can be reached; only
 * regular files are opened (a fifo or a device would block or lie), and pid 1's own /proc directory and its descriptors
 * are refused, to which a path or a planted symlink might lead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

int path_denied(int fd) {
  char link[32], path[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return errno;
  path[n] = 0;
  return strncmp(path, "/proc/1/", 8) == 0 || strcmp(path, "/proc/1") == 0 ? EACCES : 0;
}

/* The links below /proc/self/fd and their like lead past the view to what pid 1 itself has open. */
int path_open(int at, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_NO_MAGICLINKS};
  int fd;
  do fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how); while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return fd;
}

int file_stat(const char *path, int follow, unsigned char out[21]) {
  struct stat st;
  int fd = path_open(AT_FDCWD, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
  if (fd < 0) return errno;
  int error = fstat(fd, &st) < 0 ? errno : 0;
  close(fd);
  if (error) return error;
  out[0] = S_ISREG(st.st_mode) ? 'F' : S_ISDIR(st.st_mode) ? 'D' : S_ISLNK(st.st_mode) ? 'L' : 'O';
  put64(out + 1, (uint64_t)st.st_size);
  put32(out + 9, st.st_mode & 07777);
  put64(out + 13, (uint64_t)(st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000));
  return 0;
}

int file_open_read(const char *path, int *fd, uint64_t *size) {
  struct stat st;
  int opened = path_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (opened < 0) return errno == ENXIO ? EINVAL : errno;
  int error = fstat(opened, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : !S_ISREG(st.st_mode) ? EINVAL : path_denied(opened);
  if (error) { close(opened); return error; }
  *fd = opened;
  *size = (uint64_t)st.st_size;
  return 0;
}

int parent_open(const char *path, int make, char name[256]) {
  char copy[4096];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  if (length == 0 || length >= sizeof copy) { errno = length ? ENAMETOOLONG : ENOENT; return -1; }
  memcpy(copy, path, length);
  copy[length] = 0;
  char *slash = strrchr(copy, '/'), *last = slash ? slash + 1 : copy;
  if (strlen(last) >= 256) { errno = ENAMETOOLONG; return -1; }
  strcpy(name, *last ? last : ".");
  if (slash) *last = 0;
  int at = path_open(AT_FDCWD, slash ? copy : ".", O_PATH | O_DIRECTORY);
  if (at >= 0 || errno != ENOENT || !make) return at;
  at = path_open(AT_FDCWD, *copy == '/' ? "/" : ".", O_PATH | O_DIRECTORY);
  char *rest = copy;
  for (char *part; at >= 0 && (part = strtok_r(rest, "/", &rest));) {
    int error = mkdirat(at, part, 0755) < 0 && errno != EEXIST ? errno : 0;
    int next = path_open(at, part, O_PATH | O_DIRECTORY);
    if (next < 0 && error) errno = error;
    error = errno;
    close(at);
    errno = error;
    at = next;
  }
  return at;
}

/* Makes every directory above `path`. 0, or -1 with errno. */
int make_parents(const char *path) {
  char copy[4096];
  size_t length = strlen(path);
  if (length >= sizeof copy) { errno = ENAMETOOLONG; return -1; }
  memcpy(copy, path, length + 1);
  for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
      struct stat st;
      int error = errno;
      if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode)) { errno = error; return -1; }
    }
    *slash = '/';
  }
  return 0;
}

/* The path that a write to `path` reaches when the last part is followed through symlinks, dangling ones too. */
static char *follow_last(const char *path) {
  char *current = strdup(path);
  for (int hops = 0; current && hops < 40; hops++) {
    char link[4096], *next = NULL;
    ssize_t n = readlink(current, link, sizeof link - 1);
    if (n < 0) return current; /* not a link, or not there */
    link[n] = 0;
    char *slash = strrchr(current, '/');
    if (link[0] == '/' || !slash) next = strdup(link);
    else if (asprintf(&next, "%.*s/%s", (int)(slash - current), current, link) < 0) next = NULL;
    free(current);
    current = next;
  }
  free(current);
  errno = ELOOP;
  return NULL;
}

/* The new content goes to a file beside the target and takes its place at the end. */
int writer_open(struct writer *w, const char *path, mode_t mode, int parents) {
  struct stat st = {0};
  uint64_t random;
  size_t length = strlen(path);
  if (length == 0 || path[length - 1] == '/') return EISDIR;
  w->mode = mode & 07777;
  char *target = follow_last(path);
  if (!target) return errno;
  w->directory = parent_open(target, parents, w->name);
  int error = w->directory < 0 ? errno : 0;
  free(target);
  if (error) return error;
  if (fstatat(w->directory, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(st.st_mode)) return EISDIR;
    if (!S_ISREG(st.st_mode)) return EINVAL;
    w->mode = st.st_mode & 07777;
    if (faccessat(w->directory, w->name, W_OK, 0) < 0) return errno;
  } else if (errno != ENOENT) {
    return errno;
  }
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  snprintf(w->temporary, sizeof w->temporary, ".lachesis-%016llx", (unsigned long long)random);
  w->fd = openat(w->directory, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (w->fd < 0) { w->temporary[0] = 0; return errno; }
  if (S_ISREG(st.st_mode) && st.st_uid != geteuid() && fchown(w->fd, st.st_uid, st.st_gid) < 0 && errno != EPERM && errno != EINVAL) return errno;
  return 0;
}

int writer_commit(struct writer *w) {
  if (fchmod(w->fd, w->mode) < 0 || renameat(w->directory, w->temporary, w->directory, w->name) < 0) return errno;
  w->temporary[0] = 0;
  return 0;
}

void writer_abort(struct writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temporary[0]) unlinkat(w->directory, w->temporary, 0);
  if (w->directory >= 0) close(w->directory);
  w->fd = w->directory = -1;
}
