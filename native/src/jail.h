/*
 * What the parts of the sandbox helper share. The helper is one program in three roles: the launcher (outside, makes
 * the namespaces and waits), pid 1 (inside, serves the protocol) and short-lived children of pid 1. Everything that
 * arrives on stdin comes from the host program and is checked; everything inside the sandbox is hostile.
 */
#ifndef LACHESIS_JAIL_H
#define LACHESIS_JAIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

/* ---- frames: u32 length of the payload, u32 id, u8 type, payload; little endian ---- */

#define FRAME_HEADER 9
#define FRAME_MAX (1u << 20)
#define WINDOW (1u << 20)     /* bytes that the host may send ahead of acknowledgements, per stream */
#define OUTPUT_HIGH (1u << 18) /* with more than this waiting for the host, no child output is read */
#define CHUNK 65536u

enum {
  /* host to helper */
  T_CONFIG = 'C', T_EXEC = 'E', T_STDIN = 'I', T_STDIN_END = 'D', T_KILL = 'K', T_RESIZE = 'Z', T_STAT = 'S',
  T_READ = 'R', T_WRITE = 'W', T_WRITE_DATA = 'w', T_WRITE_END = 'e', T_WRITE_ABORT = 'a', T_FREEZE = 'F', T_THAW = 'f',
  T_PING = 'p',
  /* helper to host */
  T_HELLO = 'H', T_READY = 'Y', T_FAILED = '!', T_ERROR = 'N', T_SPAWNED = 'P', T_STDOUT = '1', T_STDERR = '2',
  T_STATUS = 'T', T_ACK = 'A', T_STAT_RESULT = 's', T_DATA = 'd', T_OK = 'o', T_SOCKET_OPEN = 'n',
  /* both ways */
  T_SOCKET_DATA = 'x', T_SOCKET_END = 'y', T_SOCKET_CLOSE = 'z', T_SOCKET_ACK = 'q',
};

enum { EXEC_PTY = 1, EXEC_MERGE = 2, EXEC_STDIN = 4, EXEC_PACK = 8, EXEC_UNPACK = 16, EXEC_LAYER = 32, EXEC_QUIET = 64 };
enum { STATUS_TIMED_OUT = 1, STATUS_TRUNCATED = 2, STATUS_MEMORY = 4, STATUS_SIGNALLED = 8 };

struct buffer { unsigned char *data; size_t start, end, capacity; };

unsigned char *buffer_reserve(struct buffer *b, size_t bytes); /* room at the end; never NULL */
void buffer_append(struct buffer *b, const void *data, size_t bytes);
void buffer_consume(struct buffer *b, size_t bytes);
static inline size_t buffer_length(const struct buffer *b) { return b->end - b->start; }
void buffer_free(struct buffer *b);

void put16(unsigned char *p, uint16_t v);
void put32(unsigned char *p, uint32_t v);
void put64(unsigned char *p, uint64_t v);
uint16_t get16(const unsigned char *p);
uint32_t get32(const unsigned char *p);
uint64_t get64(const unsigned char *p);

struct frame { uint32_t length, id; uint8_t type; const unsigned char *payload; };
/* 1: a frame was read; 0: more bytes are needed; -1: not of the protocol. */
int frame_next(struct buffer *in, struct frame *out);

struct exec_request {
  uint32_t flags, timeout_ms;
  uint64_t max_bytes;
  uint16_t rows, columns, argc, envc;
  char *cwd, **argv, **envp; /* all in `storage` or one allocation */
  void *storage;
};
int exec_request_parse(const unsigned char *p, size_t length, struct exec_request *out); /* 0 or -1 */
void exec_request_free(struct exec_request *r);
char *text_dup(const unsigned char *p, size_t length); /* NULL when it holds a NUL or is empty or too long */

/* ---- configuration ---- */

#define LIST_MAX 128
struct list { int count; const char *item[LIST_MAX]; };
enum view { VIEW_HOST, VIEW_ROOTFS, VIEW_LAYER };
enum network { NET_NONE, NET_USER, NET_HOST };
struct config {
  uint64_t memory, disk;
  uint32_t pids, files;
  enum view view;
  enum network network;
  const char *rootfs, *layer, *workdir, *home, *hostname, *resolver;
  struct list lower, readonly, sockets, blocked;
  int inner_id; /* uid and gid of commands, as seen inside */
};
int config_parse(char *text, size_t length, struct config *out, const char **problem);

/* ---- the jail ---- */

struct sources { int rootfs, layer, lower[LIST_MAX], readonly[LIST_MAX], namespaces[2], death; }; /* detached mounts made by a privileged launcher, or -1; the launcher's own descriptors */
struct store { int directory; int overlay; int root; }; /* where the changes lie; whether whiteouts mean something there; the tmpfs */

noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* tells the host, ends the process */
int tree_open(const char *path);
int tree_protect(int tree, uint64_t attributes);
void view_enter(const struct config *config, const struct sources *sources, struct store *store);
void network_up(const struct config *config);
void privileges_drop(const struct config *config);
void child_limits(const struct config *config, uint32_t tag);
int seccomp_install(void);

#define TAG_BASE (1ull << 40) /* RLIMIT_RTTIME of a command and of all that it starts is TAG_BASE + id of the exec */

/* ---- processes ---- */

struct process { pid_t pid; char state; uint32_t tag; };
int processes_each(int (*visit)(const struct process *process, void *context), void *context); /* all but pid 1 */
int tree_kill(uint32_t tag);   /* one pass; gives how many still lived */
int leftovers_kill(int (*runs)(uint32_t));   /* the same for all that belongs to no command that `runs` */
int processes_freeze(void);    /* stops everything; 0 when all are stopped */
void processes_thaw(void);
/* Looks at the memory; kills the largest process while the total is above the limit. Gives ms until the next look. */
int memory_watch(const struct config *config, const struct store *store, uint32_t *victim_tag, int *processes);

/* ---- files ---- */

int path_denied(int fd);
int file_stat(const char *path, int follow, unsigned char out[21]); /* errno or 0 */
int file_open_read(const char *path, int *fd, uint64_t *size);
struct writer { uint32_t id; int fd, directory; mode_t mode; int error; char name[256], temporary[32]; struct writer *next; };
int writer_open(struct writer *w, const char *path, mode_t mode, int parents);
int writer_commit(struct writer *w);
void writer_abort(struct writer *w);
int make_parents(const char *path);
int path_open(int at, const char *path, int flags); /* follows symlinks, but none of /proc's that lead to open files */
int parent_open(const char *path, int make, char name[256]); /* the directory that holds the last part, which is `name` */

int archive_pack(const char *path, const struct store *store); /* to stdout; exit code */
int archive_unpack(const char *path, int layer);               /* from stdin; exit code */

/* ---- the server ---- */

noreturn void serve(const struct config *config, const struct store *store);
void out_frame(uint8_t type, uint32_t id, const void *payload, size_t length);
void out_error(uint32_t id, int error, const char *what);
extern struct buffer out_buffer;
int out_flush(void);

int forwards_listen(const struct config *config);

#endif
