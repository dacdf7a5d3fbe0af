/*
 * File operations of pid 1. Paths are resolved in the sandbox's own root, so nothing of the host can be reached; only
 * regular files are opened (a fifo or a device would block or lie), and pid 1's own /proc directory is refused, to
 * which a planted symlink might lead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

int file_stat(const char *path, int follow, unsigned char out[21]) {
  struct stat st;
  if ((follow ? stat : lstat)(path, &st) < 0) return errno;
  out[0] = S_ISREG(st.st_mode) ? 'F' : S_ISDIR(st.st_mode) ? 'D' : S_ISLNK(st.st_mode) ? 'L' : 'O';
  put64(out + 1, (uint64_t)st.st_size);
  put32(out + 9, st.st_mode & 07777);
  put64(out + 13, (uint64_t)(st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000));
  return 0;
}

int file_open_read(const char *path, int *fd, uint64_t *size) {
  struct stat st;
  int opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (opened < 0) return errno == ENXIO ? EINVAL : errno;
  int error = fstat(opened, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : !S_ISREG(st.st_mode) ? EINVAL : path_denied(opened);
  if (error) { close(opened); return error; }
  *fd = opened;
  *size = (uint64_t)st.st_size;
  return 0;
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
  size_t length = strlen(path);
  if (length == 0 || path[length - 1] == '/') return EISDIR;
  if (parents && make_parents(path) < 0) return errno;
  w->fd = -1;
  w->mode = mode & 07777;
  if (!(w->target = follow_last(path))) return errno;
  if (stat(w->target, &st) == 0) {
    if (S_ISDIR(st.st_mode)) return EISDIR;
    if (!S_ISREG(st.st_mode)) return EINVAL;
    w->mode = st.st_mode & 07777;
    if (access(w->target, W_OK) < 0) return errno;
  } else if (errno != ENOENT) {
    return errno;
  } else {
    st.st_mode = 0; /* a new file: there is no owner to keep */
  }
  char *copy = strdup(w->target);
  if (!copy) return ENOMEM;
  int made = asprintf(&w->temporary, "%s/.lachesis-XXXXXX", dirname(copy));
  free(copy);
  if (made < 0) { w->temporary = NULL; return ENOMEM; }
  w->fd = mkostemp(w->temporary, O_CLOEXEC);
  if (w->fd < 0) {
    int error = errno;
    free(w->temporary);
    w->temporary = NULL;
    return error;
  }
  int denied = path_denied(w->fd);
  if (denied) return denied;
  if (S_ISREG(st.st_mode) && st.st_uid != geteuid() && fchown(w->fd, st.st_uid, st.st_gid) < 0 && errno != EPERM && errno != EINVAL) return errno;
  return 0;
}

int writer_commit(struct writer *w) {
  if (fchmod(w->fd, w->mode) < 0 || rename(w->temporary, w->target) < 0) return errno;
  free(w->temporary);
  w->temporary = NULL;
  return 0;
}

void writer_abort(struct writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temporary) unlink(w->temporary);
  free(w->temporary);
  free(w->target);
  w->temporary = w->target = NULL;
  w->fd = -1;
}
