/*
 * Trees in and out, as a stream of entries on a child's stdin or stdout. Packing follows no symlink and opens regular
 * files only; unpacking never leaves its root and gives no set-id bits. A layer keeps, besides, owners and what an
 * overlay needs: removed names (whiteouts) and directories that hide what lies below (opaque).
 *
 * Entry: u8 type, u32 mode, u64 mtime in ms, u32 uid, u32 gid, u8 opaque, u64 size, u16 path length, u16 link length,
 * path, link. Types: D directory, F file, L symlink, W whiteout, S skipped (size holds the errno), E end. The content
 * of a file follows as pieces: u32 length and bytes, or u32 0x80000000 and u64 length for a hole; u32 0 ends it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "jail.h"

#define ENTRY_HEADER 34
#define HOLE 0x80000000u
#define DEPTH_MAX 256
#define OPAQUE "user.overlay.opaque"

static unsigned char block[CHUNK * 2];

static noreturn void quit(const char *what, const char *path, int error) {
  dprintf(2, "%d %s %s: %s\n", error, what, path, strerror(error));
  _exit(1);
}

/* ---- packing ---- */

static struct buffer pending;
static int layer, overlay;

static void pending_flush(void) {
  while (buffer_length(&pending) > 0) {
    ssize_t n = write(1, pending.data + pending.start, buffer_length(&pending));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(1);
    buffer_consume(&pending, (size_t)n);
  }
}

static void emit(const void *data, size_t length) {
  buffer_append(&pending, data, length);
  if (buffer_length(&pending) >= CHUNK) pending_flush();
}

static void emit_entry(char type, const struct stat *st, const char *path, const char *link, int opaque, uint64_t size) {
  unsigned char header[ENTRY_HEADER];
  size_t path_length = strlen(path), link_length = strlen(link);
  header[0] = (unsigned char)type;
  put32(header + 1, st ? st->st_mode & 07777 : 0);
  put64(header + 5, st ? (uint64_t)(st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000) : 0);
  put32(header + 13, st ? st->st_uid : 0);
  put32(header + 17, st ? st->st_gid : 0);
  header[21] = (unsigned char)opaque;
  put64(header + 22, size);
  put16(header + 30, (uint16_t)path_length);
  put16(header + 32, (uint16_t)link_length);
  emit(header, sizeof header);
  emit(path, path_length);
  emit(link, link_length);
}

static void emit_skipped(const char *path, int error) {
  if (layer) quit("keep", path, error); /* a snapshot is whole or none */
  emit_entry('S', NULL, path, "", 0, (uint64_t)error);
}

static void emit_content(int fd, uint64_t size) {
  unsigned char head[12];
  off_t at = 0;
  while ((uint64_t)at < size) {
    off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0) data = errno == ENXIO ? (off_t)size : at;
    if ((uint64_t)data > size) data = (off_t)size;
    if (data > at) {
      put32(head, HOLE);
      put64(head + 4, (uint64_t)(data - at));
      emit(head, 12);
      at = data;
      continue;
    }
    off_t hole = lseek(fd, at, SEEK_HOLE);
    if (hole <= at || (uint64_t)hole > size) hole = (off_t)size;
    while (at < hole) {
      size_t want = (uint64_t)(hole - at) < sizeof block ? (size_t)(hole - at) : sizeof block;
      ssize_t n = pread(fd, block, want, at);
      if (n <= 0) { size = (uint64_t)at; break; } /* it became shorter: what was there is what is sent */
      put32(head, (uint32_t)n);
      emit(head, 4);
      emit(block, (size_t)n);
      at += n;
    }
  }
  put32(head, 0);
  emit(head, 4);
}

/* Opens what its owner has shut even to itself, and gives the mode back. */
static int open_shut(int parent, const char *name, int flags, const struct stat *st) {
  int fd = openat(parent, name, flags);
  if (fd >= 0 || errno != EACCES) return fd;
  if (fchmodat(parent, name, (st->st_mode & 07777) | (S_ISDIR(st->st_mode) ? 0700 : 0400), 0) < 0) return -1;
  fd = openat(parent, name, flags);
  int error = errno;
  if (fchmodat(parent, name, st->st_mode & 07777, 0) < 0) error = errno;
  errno = error;
  return fd;
}

static void pack_entry(int parent, const char *name, char *path, size_t length, int depth);

static void pack_directory(int fd, const char *name, const struct stat *st, char *path, size_t length, int depth) {
  char opaque = 0;
  DIR *directory = fdopendir(fd);
  (void)name;
  if (!directory) { emit_skipped(path, errno); close(fd); return; }
  if (overlay && fgetxattr(fd, OPAQUE, &opaque, 1) == 1 && opaque != 'y') opaque = 0;
  emit_entry('D', st, path, "", opaque == 'y', 0);
  for (struct dirent *entry; (entry = readdir(directory));) {
    size_t more = strlen(entry->d_name);
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    /* Places that every sandbox makes anew are no part of a snapshot. */
    if (layer && depth == 0 && (!strcmp(entry->d_name, "proc") || !strcmp(entry->d_name, "dev"))) continue;
    if (length + more + 2 > 4096) { emit_skipped(path, ENAMETOOLONG); continue; }
    size_t at = length;
    if (length) path[at++] = '/';
    memcpy(path + at, entry->d_name, more + 1);
    pack_entry(dirfd(directory), entry->d_name, path, at + more, depth + 1);
    path[length] = 0;
  }
  closedir(directory);
}

static void pack_entry(int parent, const char *name, char *path, size_t length, int depth) {
  struct stat st;
  if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) { emit_skipped(path, errno); return; }
  if (S_ISLNK(st.st_mode)) {
    char link[4096];
    ssize_t n = readlinkat(parent, name, link, sizeof link - 1);
    if (n < 0) { emit_skipped(path, errno); return; }
    link[n] = 0;
    emit_entry('L', &st, path, link, 0, 0);
  } else if (overlay && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
    emit_entry('W', &st, path, "", 0, 0);
  } else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
    int directory = S_ISDIR(st.st_mode);
    if (directory && depth >= DEPTH_MAX) { emit_skipped(path, ELOOP); return; }
    int fd = open_shut(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (directory ? O_DIRECTORY : 0), &st);
    if (fd < 0) { emit_skipped(path, errno); return; }
    if (directory) { pack_directory(fd, name, &st, path, length, depth); return; }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
      emit_entry('F', &st, path, "", 0, (uint64_t)st.st_size);
      emit_content(fd, (uint64_t)st.st_size);
    } else {
      emit_skipped(path, EINVAL);
    }
    close(fd);
  } else if (!layer) { /* fifos, sockets, devices: of no use outside; a snapshot drops them */
    emit_skipped(path, EINVAL);
  }
}

int archive_pack(const char *path, const struct store *store) {
  char relative[4097] = "";
  struct stat st;
  int fd;
  if (store) {
    layer = 1;
    overlay = store->overlay;
    fd = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } else {
    fd = path_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  }
  if (fd < 0 || fstat(fd, &st) < 0) quit("open", path, errno == ENXIO ? EINVAL : errno);
  int denied = store ? 0 : path_denied(fd);
  if (denied) quit("open", path, denied);
  if (S_ISDIR(st.st_mode)) pack_directory(fd, "", &st, relative, 0, 0);
  else if (S_ISREG(st.st_mode)) {
    emit_entry('F', &st, "", "", 0, (uint64_t)st.st_size);
    emit_content(fd, (uint64_t)st.st_size);
  } else {
    quit("open", path, EINVAL);
  }
  emit_entry('E', NULL, "", "", 0, 0);
  pending_flush();
  return 0;
}

/* ---- unpacking ---- */

static void take(void *to, size_t length) {
  for (unsigned char *p = to; length > 0;) {
    ssize_t n = read(0, p, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) quit("read", "the archive", n == 0 ? EPIPE : errno);
    p += n;
    length -= (size_t)n;
  }
}

struct late { char *path; mode_t mode; uint64_t mtime; struct late *next; };
static struct late *late_directories; /* modes come last: a directory that can't be written to still gets its content */

/* The directory that holds the last part of `path`, made if it is missing; `*last` is that part. */
static int walk(int root, char *path, char **last) {
  int at = fcntl(root, F_DUPFD_CLOEXEC, 3);
  char *part = path, *slash;
  while (at >= 0 && (slash = strchr(part, '/'))) {
    *slash = 0;
    if (!*part || !strcmp(part, ".") || !strcmp(part, "..")) quit("unpack", path, EINVAL);
    if (mkdirat(at, part, 0755) < 0 && errno != EEXIST) quit("make", path, errno);
    int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) quit("enter", path, errno);
    close(at);
    at = next;
    *slash = '/';
    part = slash + 1;
  }
  if (at < 0) quit("unpack", path, errno);
  if (!*part || !strcmp(part, ".") || !strcmp(part, "..")) quit("unpack", path, EINVAL);
  *last = part;
  return at;
}

static void set_time(int fd, const char *name, uint64_t ms, int flags) {
  struct timespec times[2] = {{.tv_sec = (time_t)((int64_t)ms / 1000), .tv_nsec = (long)((int64_t)ms % 1000) * 1000000}};
  if (times[0].tv_nsec < 0) { times[0].tv_sec--; times[0].tv_nsec += 1000000000; }
  times[1] = times[0];
  if (name) utimensat(fd, name, times, flags); /* a date that the file system can't hold is no reason to fail */
  else futimens(fd, times);
}

static void unpack_content(int fd, const char *path) {
  off_t at = 0;
  for (;;) {
    unsigned char number[8];
    take(number, 4);
    uint32_t length = get32(number);
    if (length == 0) break;
    if (length & HOLE) {
      take(number, 8);
      uint64_t hole = get64(number);
      if (hole > (uint64_t)(INT64_MAX - at)) quit("write", path, EFBIG);
      at += (off_t)hole;
      continue;
    }
    while (length > 0) {
      size_t n = length < sizeof block ? length : sizeof block;
      take(block, n);
      for (size_t done = 0; done < n;) {
        ssize_t written = pwrite(fd, block + done, n - done, at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) quit("write", path, errno);
        done += (size_t)written;
        at += written;
      }
      length -= (uint32_t)n;
    }
  }
  if (ftruncate(fd, at) < 0) quit("write", path, errno);
}

static void unpack_file(int at, const char *name, const char *path, mode_t mode, uint64_t mtime, uint32_t uid, uint32_t gid, int keep_owner) {
  const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  struct stat st;
  int fd = openat(at, name, flags | O_TRUNC, 0600);
  if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) { /* a link, a fifo, a running program: make room */
    int error = errno;
    if (fd >= 0) close(fd);
    if (unlinkat(at, name, 0) < 0) quit("replace", path, error);
    fd = openat(at, name, flags | O_EXCL, 0600);
  }
  if (fd < 0) quit("make", path, errno);
  unpack_content(fd, path);
  if (keep_owner && (uid != geteuid() || gid != getegid()) && fchown(fd, uid, gid) < 0 && errno != EPERM && errno != EINVAL) quit("own", path, errno);
  if (fchmod(fd, mode & 0777) < 0) quit("mode of", path, errno);
  set_time(fd, NULL, mtime, 0);
  close(fd);
}

static void unpack_directory(int at, const char *name, const char *path, mode_t mode, uint64_t mtime, int opaque) {
  struct late *late = malloc(sizeof *late);
  if (mkdirat(at, name, 0700) < 0) {
    struct stat st;
    if (errno != EEXIST) quit("make", path, errno);
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) quit("make", path, errno);
    if (!S_ISDIR(st.st_mode)) quit("make", path, ENOTDIR);
  }
  if (opaque) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsetxattr(fd, OPAQUE, "y", 1, 0) < 0) quit("hide below", path, errno);
    close(fd);
  }
  if (!late || !(late->path = strdup(path))) quit("unpack", path, ENOMEM);
  late->mode = mode & 01777;
  late->mtime = mtime;
  late->next = late_directories;
  late_directories = late;
}

int archive_unpack(const char *target, int as_layer) {
  static char path[65536 + 1], link[65536 + 1];
  char root_name[256];
  int root = -1, root_is_file = 0;
  umask(022);
  int above = parent_open(target, 1, root_name);
  if (above < 0) quit("make the parents of", target, errno);
  umask(0);
  for (;;) {
    unsigned char header[ENTRY_HEADER];
    take(header, sizeof header);
    char type = (char)header[0];
    mode_t mode = get32(header + 1);
    uint64_t mtime = get64(header + 5);
    uint32_t uid = get32(header + 13), gid = get32(header + 17);
    uint16_t path_length = get16(header + 30), link_length = get16(header + 32);
    take(path, path_length);
    take(link, link_length);
    path[path_length] = link[link_length] = 0;
    if (strlen(path) != path_length || strlen(link) != link_length) quit("unpack", path, EINVAL);
    if (type == 'E') break;
    if (type == 'S') continue;
    if (root_is_file) quit("unpack", path, EINVAL);
    if (path_length == 0) {
      if (root >= 0) quit("unpack", target, EINVAL);
      if (type == 'F') {
        struct stat st;
        if (fstatat(above, root_name, &st, 0) == 0 && S_ISDIR(st.st_mode)) quit("replace", target, EISDIR);
        unpack_file(above, root_name, target, mode, mtime, uid, gid, as_layer);
        root_is_file = 1;
        continue;
      }
      if (type != 'D') quit("unpack", target, EINVAL);
      if (mkdirat(above, root_name, 0755) < 0 && errno != EEXIST) quit("make", target, errno);
      root = path_open(above, root_name, O_RDONLY | O_DIRECTORY);
      if (root < 0) quit("enter", target, errno);
      if (as_layer && header[21] && fsetxattr(root, OPAQUE, "y", 1, 0) < 0) quit("hide below", target, errno);
      continue;
    }
    if (root < 0) quit("unpack", path, EINVAL);
    char *name;
    int at = walk(root, path, &name);
    if (type == 'D') unpack_directory(at, name, path, mode, mtime, as_layer && header[21]);
    else if (type == 'F') unpack_file(at, name, path, mode, mtime, uid, gid, as_layer);
    else if (type == 'L') {
      if (symlinkat(link, at, name) < 0 && (errno != EEXIST || unlinkat(at, name, 0) < 0 || symlinkat(link, at, name) < 0)) quit("link", path, errno);
      set_time(at, name, mtime, AT_SYMLINK_NOFOLLOW);
    } else if (type == 'W' && as_layer) {
      if (mknodat(at, name, S_IFCHR | 0600, makedev(0, 0)) < 0) quit("hide", path, errno);
    } else {
      quit("unpack", path, EINVAL);
    }
    if (as_layer && (type == 'D' || type == 'L') && (uid != geteuid() || gid != getegid()) &&
        fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM && errno != EINVAL) quit("own", path, errno);
    close(at);
  }
  for (struct late *d = late_directories; d; d = d->next) { /* the deepest first */
    snprintf(path, sizeof path, "%s", d->path);
    char *name;
    int at = walk(root, path, &name);
    if (fchmodat(at, name, d->mode, 0) < 0) quit("mode of", d->path, errno);
    set_time(at, name, d->mtime, AT_SYMLINK_NOFOLLOW);
    close(at);
  }
  return 0;
}
