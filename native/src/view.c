/*
 * What a sandbox sees. Runs in the new namespaces, before the first command. Sources on the host are opened first, as
 * detached mounts; then the root changes; only then are the places inside made, so that a symlink planted by an
 * earlier sandbox resolves inside and can't lead out. All that can be written lies on one tmpfs, whose size is the
 * disk limit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

#define BASE "/tmp" /* where the tmpfs is put while the view is made; nothing of the host's /tmp is touched */
#define RDONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define WRITABLE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define MNT_DETACH 2

/* Files of /etc that programs need and that hold nothing of the host's owner. */
static const char *const etc_files[] = {
  "ld.so.cache", "ld.so.conf", "nsswitch.conf", "protocols", "services", "localtime", "timezone", "mime.types", "magic",
  "bash.bashrc", "profile", "inputrc", "shells", "os-release", "debian_version", "host.conf", "gai.conf", "locale.alias",
};
static const char *const etc_directories[] = {
  "alternatives", "ld.so.conf.d", "ssl/certs", "ca-certificates", "pki/tls/certs", "pki/ca-trust/extracted", "fonts",
  "python3", "python3.11", "python3.12", "python3.13", "perl", "terminfo", "vim", "java-17-openjdk", "java-21-openjdk",
};
static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};

int tree_open(const char *path) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

int tree_protect(int tree, uint64_t attributes) {
  struct mount_attr attr = {.attr_set = attributes};
  return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr);
}

static void attach(int tree, const char *target) {
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0) fail("mount at %s: %m", target);
  close(tree);
}

static int protected_tree(const char *path, uint64_t attributes) {
  int tree = tree_open(path);
  if (tree < 0) fail("open %s: %m", path);
  if (tree_protect(tree, attributes) < 0) fail("protect %s: %m", path);
  return tree;
}

static void folder(const char *path, mode_t mode) {
  if (mkdir(path, mode) < 0) {
    if (errno != EEXIST) fail("make %s: %m", path);
  } else if (chmod(path, mode) < 0) {
    fail("mode of %s: %m", path);
  }
}

static void folders(const char *path, mode_t mode) {
  if (make_parents(path) != 0) fail("make the parents of %s: %m", path);
  folder(path, mode);
}

static void empty_file(const char *path) {
  int fd = open(path, O_CREAT | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  if (fd < 0 && errno != EEXIST && errno != EACCES && errno != ENXIO) fail("make %s: %m", path);
  if (fd >= 0) close(fd);
}

static void text_file(const char *path, const char *text) {
  int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) fail("write %s: %m", path);
  close(fd);
}

static int detached(const char *type, const char *const options[][2]) {
  int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0) fail("file system %s: %m", type);
  for (int i = 0; options && options[i][0]; i++)
    if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
      fail("option %s of %s: %m", options[i][0], type);
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) fail("make a %s: %m", type);
  int tree = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  if (tree < 0) fail("mount a %s: %m", type);
  close(context);
  return tree;
}

/* A world-readable regular file of the host's /etc; what is missing or private is left out. */
static void copy_etc(const char *name) {
  char from[256], to[256], block[8192];
  snprintf(from, sizeof from, "/etc/%s", name);
  snprintf(to, sizeof to, BASE "/etc/%s", name);
  int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (in < 0) return;
  struct stat st;
  if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IROTH) || st.st_size > (1 << 20)) {
    close(in);
    return;
  }
  int out = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (out < 0) fail("write %s: %m", to);
  for (ssize_t n; (n = read(in, block, sizeof block)) > 0;)
    if (write(out, block, (size_t)n) != n) fail("write %s: %m", to);
  close(in);
  close(out);
}

static int etc_tree(const struct config *config) {
  char path[256], text[1024];
  folder(BASE "/etc", 0755);
  for (size_t i = 0; i < sizeof etc_files / sizeof *etc_files; i++) copy_etc(etc_files[i]);
  for (size_t i = 0; i < sizeof etc_directories / sizeof *etc_directories; i++) {
    struct stat st;
    snprintf(path, sizeof path, "/etc/%s", etc_directories[i]);
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) continue;
    int tree = tree_open(path); /* made read-only together with all of /etc, below */
    if (tree < 0) fail("open %s: %m", path);
    snprintf(path, sizeof path, BASE "/etc/%s", etc_directories[i]);
    folders(path, 0755);
    attach(tree, path);
  }
  copy_etc("ssl/openssl.cnf");
  snprintf(text, sizeof text, "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:%s:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", config->home);
  text_file(BASE "/etc/passwd", text);
  text_file(BASE "/etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n");
  snprintf(text, sizeof text, "127.0.0.1 localhost %s\n::1 localhost\n", config->hostname);
  text_file(BASE "/etc/hosts", text);
  snprintf(text, sizeof text, "%s\n", config->hostname);
  text_file(BASE "/etc/hostname", text);
  text_file(BASE "/etc/resolv.conf", "");
  if (config->resolver) {
    snprintf(text, sizeof text, "nameserver %s\n", config->resolver);
    text_file(BASE "/etc/resolv.conf", text);
  } else if (config->network == NET_HOST) {
    unlink(BASE "/etc/resolv.conf");
    copy_etc("resolv.conf");
  }
  return protected_tree(BASE "/etc", RDONLY);
}

/* /bin, /lib, … are links into /usr, or directories of their own; both are shown as they are. */
struct system_place { const char *name; char link[128]; int tree; };
static struct system_place system_places[] = {
  {"/usr", "", -1}, {"/bin", "", -1}, {"/sbin", "", -1}, {"/lib", "", -1}, {"/lib64", "", -1}, {"/lib32", "", -1}, {"/libx32", "", -1},
};

static void system_open(void) {
  for (size_t i = 0; i < sizeof system_places / sizeof *system_places; i++) {
    struct system_place *p = &system_places[i];
    struct stat st;
    if (lstat(p->name, &st) < 0) continue;
    if (S_ISLNK(st.st_mode)) {
      ssize_t n = readlink(p->name, p->link, sizeof p->link - 1);
      if (n < 0) fail("read the link %s: %m", p->name);
      p->link[n] = 0;
    } else if (S_ISDIR(st.st_mode)) {
      p->tree = protected_tree(p->name, RDONLY);
    }
  }
}

static void system_place(void) {
  for (size_t i = 0; i < sizeof system_places / sizeof *system_places; i++) {
    struct system_place *p = &system_places[i];
    if (p->link[0] && symlink(p->link, p->name) < 0 && errno != EEXIST) fail("link %s: %m", p->name);
    if (p->tree < 0) continue;
    folder(p->name, 0755);
    attach(p->tree, p->name);
  }
}

/* The writable root: a plain directory, or an overlay when there is something below it. Gives a detached mount. */
static int writable_root(const struct config *config, const struct sources *sources, struct store *store) {
  int lowers = config->lower.count + (config->view == VIEW_ROOTFS);
  store->overlay = lowers > 0;
  if (config->view == VIEW_LAYER) {
    int tree = sources->layer >= 0 ? sources->layer : tree_open(config->layer);
    if (tree < 0 || tree_protect(tree, WRITABLE) < 0) fail("open the layer %s: %m", config->layer);
    folder(BASE "/data", 0755);
    folder(BASE "/data/layer", 0755);
    attach(tree, BASE "/data/layer");
    return protected_tree(BASE "/data", WRITABLE);
  }
  if (lowers == 0) {
    folder(BASE "/data", 0755);
    store->directory = open(BASE "/data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0) fail("open the store: %m");
    return protected_tree(BASE "/data", WRITABLE);
  }
  char options[4096], path[64];
  int used = snprintf(options, sizeof options, "userxattr,volatile,upperdir=" BASE "/up,workdir=" BASE "/wk,lowerdir=");
  const char *const made[] = {BASE "/up", BASE "/wk", BASE "/m", BASE "/l"};
  for (int i = 0; i < 4; i++) folder(made[i], 0755);
  for (int i = 0; i < lowers; i++) {
    int is_rootfs = i == config->lower.count;
    int tree = is_rootfs ? sources->rootfs : sources->lower[i];
    const char *source = is_rootfs ? config->rootfs : config->lower.item[i];
    if (tree < 0) tree = tree_open(source);
    if (tree < 0 || tree_protect(tree, RDONLY) < 0) fail("open %s: %m", source);
    snprintf(path, sizeof path, BASE "/l/%d", i);
    folder(path, 0755);
    attach(tree, path);
    used += snprintf(options + used, sizeof options - (size_t)used, "%s%s", i ? ":" : "", path);
    if ((size_t)used >= sizeof options) fail("too many layers (%d)", lowers);
  }
  if (syscall(SYS_mount, "overlay", BASE "/m", "overlay", MS_NOSUID | MS_NODEV, options) < 0)
    fail("mount an overlay (%s): %m", options);
  store->directory = open(BASE "/up", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->directory < 0) fail("open the store: %m");
  return protected_tree(BASE "/m", WRITABLE);
}

static void proc_place(int proc) {
  static const char *const locked[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi"};
  folder("/proc", 0555);
  attach(proc, "/proc");
  for (size_t i = 0; i < sizeof locked / sizeof *locked; i++) {
    if (access(locked[i], F_OK) < 0) continue;
    attach(protected_tree(locked[i], RDONLY | MOUNT_ATTR_NOEXEC), locked[i]);
  }
}

void view_enter(const struct config *config, const struct sources *sources, struct store *store) {
  char options[256], path[64];
  int device_trees[sizeof devices / sizeof *devices], readonly[LIST_MAX], etc = -1;
  memset(store, 0, sizeof *store);
  store->directory = -1;
  if (syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail("make the mounts private: %m");

  /* Everything of the host that is shown, while the host's root can still be reached. */
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    snprintf(path, sizeof path, "/dev/%s", devices[i]);
    device_trees[i] = protected_tree(path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  }
  for (int i = 0; i < config->readonly.count; i++) {
    int tree = sources->readonly[i] >= 0 ? sources->readonly[i] : tree_open(config->readonly.item[i]);
    if (tree < 0 || tree_protect(tree, RDONLY) < 0) fail("open %s: %m", config->readonly.item[i]);
    readonly[i] = tree;
  }
  if (config->view == VIEW_HOST) system_open();

  snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=0755,uid=%d,gid=%d", (unsigned long long)config->disk,
           (unsigned long long)(config->disk >> 12) + 8192, config->inner_id, config->inner_id);
  int lower_needs_base = config->rootfs || config->lower.count || config->layer;
  int rootfs = sources->rootfs, layer = sources->layer, lower[LIST_MAX];
  for (int i = 0; i < config->lower.count; i++) lower[i] = sources->lower[i];
  if (lower_needs_base) { /* these may lie below BASE on the host: open them before it is covered */
    if (config->rootfs && rootfs < 0 && (rootfs = tree_open(config->rootfs)) < 0) fail("open %s: %m", config->rootfs);
    if (config->layer && layer < 0 && (layer = tree_open(config->layer)) < 0) fail("open %s: %m", config->layer);
    for (int i = 0; i < config->lower.count; i++)
      if (lower[i] < 0 && (lower[i] = tree_open(config->lower.item[i])) < 0) fail("open %s: %m", config->lower.item[i]);
  }
  struct sources opened = {.rootfs = rootfs, .layer = layer};
  memcpy(opened.lower, lower, sizeof(int) * (size_t)config->lower.count);
  if (syscall(SYS_mount, "tmpfs", BASE, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0) fail("mount a tmpfs: %m");
  store->root = open(BASE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->root < 0) fail("open the tmpfs: %m");
  if (config->view == VIEW_HOST) etc = etc_tree(config);
  int root = writable_root(config, &opened, store);
  folder(BASE "/root", 0755);
  attach(root, BASE "/root");
  /* /proc may only be mounted while a whole one is visible, that is, before the old root goes. */
  int proc = config->view == VIEW_LAYER ? -1 : detached("proc", NULL);
  int pts = config->view == VIEW_LAYER ? -1 : detached("devpts", (const char *const[][2]){{"mode", "0620"}, {"ptmxmode", "0666"}, {"max", "128"}, {NULL, NULL}});

  if (chdir(BASE "/root") < 0) fail("enter the new root: %m");
  if (syscall(SYS_pivot_root, ".", ".") < 0) fail("change the root: %m");
  if (syscall(SYS_umount2, ".", MNT_DETACH) < 0) fail("leave the old root: %m");
  if (chdir("/") < 0) fail("enter /: %m");
  umask(022);
  if (config->view == VIEW_LAYER) return;

  proc_place(proc);
  folder("/dev", 0755);
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    snprintf(path, sizeof path, "/dev/%s", devices[i]);
    empty_file(path);
    attach(device_trees[i], path);
  }
  folder("/dev/pts", 0755);
  attach(pts, "/dev/pts");
  folder("/dev/shm", 01777);
  static const char *const links[][2] = {{"pts/ptmx", "/dev/ptmx"}, {"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"}};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST) fail("link %s: %m", links[i][1]);
  if (config->view == VIEW_HOST) {
    system_place();
    folder("/etc", 0755);
    attach(etc, "/etc");
    folders("/var/lib", 0755);
    folder("/var/cache", 0755);
    folder("/var/log", 0755);
    folder("/run", 0755);
  }
  for (int i = 0; i < config->readonly.count; i++) {
    struct stat st;
    if (fstat(readonly[i], &st) < 0) fail("look at %s: %m", config->readonly.item[i]);
    if (make_parents(config->readonly.item[i]) != 0) fail("make the parents of %s: %m", config->readonly.item[i]);
    if (S_ISDIR(st.st_mode)) folder(config->readonly.item[i], 0755);
    else empty_file(config->readonly.item[i]);
    attach(readonly[i], config->readonly.item[i]);
  }
  folder("/tmp", 01777);
  folders("/var/tmp", 01777);
  folders(config->home, 0755);
  folders(config->workdir, 0755);
  if (sethostname(config->hostname, strlen(config->hostname)) < 0) fail("set the host name: %m");
}
