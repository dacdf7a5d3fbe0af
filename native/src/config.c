/* The first frame: what the sandbox shall be, as NUL-terminated `key=value` texts. Unknown keys are errors. */
#include <stdlib.h>
#include <string.h>

#include "jail.h"

static int number(const char *text, uint64_t *out) {
  char *end;
  if (*text < '0' || *text > '9') return -1;
  unsigned long long value = strtoull(text, &end, 10);
  if (*end || value > (1ull << 50)) return -1;
  *out = value;
  return 0;
}

static int add(struct list *list, const char *value) {
  if (list->count >= LIST_MAX || !*value) return -1;
  list->item[list->count++] = value;
  return 0;
}

static int set(struct config *c, const char *key, const char *value) {
  uint64_t n;
  if (!strcmp(key, "memory")) return number(value, &c->memory);
  if (!strcmp(key, "disk")) return number(value, &c->disk);
  if (!strcmp(key, "pids")) { if (number(value, &n) || n < 1 || n > 1000000) return -1; c->pids = (uint32_t)n; return 0; }
  if (!strcmp(key, "files")) { if (number(value, &n) || n < 16 || n > 1000000) return -1; c->files = (uint32_t)n; return 0; }
  if (!strcmp(key, "view")) {
    if (!strcmp(value, "host")) c->view = VIEW_HOST;
    else if (!strcmp(value, "rootfs")) c->view = VIEW_ROOTFS;
    else if (!strcmp(value, "layer")) c->view = VIEW_LAYER;
    else return -1;
    return 0;
  }
  if (!strcmp(key, "network")) {
    if (!strcmp(value, "none")) c->network = NET_NONE;
    else if (!strcmp(value, "user")) c->network = NET_USER;
    else if (!strcmp(value, "host")) c->network = NET_HOST;
    else return -1;
    return 0;
  }
  if (!strcmp(key, "uid")) { if (number(value, &n) || n > 65534) return -1; c->inner_id = (int)n; return 0; }
  if (!strcmp(key, "hostname")) { c->hostname = value; return strlen(value) > 64 ? -1 : 0; }
  if (!strcmp(key, "resolver")) { c->resolver = value; return 0; }
  if (*value != '/') return -1; /* everything below is an absolute path, but for blocked networks */
  if (!strcmp(key, "rootfs")) { c->rootfs = value; return 0; }
  if (!strcmp(key, "layer")) { c->layer = value; return 0; }
  if (!strcmp(key, "workdir")) { c->workdir = value; return 0; }
  if (!strcmp(key, "home")) { c->home = value; return 0; }
  if (!strcmp(key, "lower")) return add(&c->lower, value);
  if (!strcmp(key, "readonly")) return add(&c->readonly, value);
  if (!strcmp(key, "socket")) return strlen(value) > 100 ? -1 : add(&c->sockets, value);
  return -1;
}

int config_parse(char *text, size_t length, struct config *out, const char **problem) {
  memset(out, 0, sizeof *out);
  out->memory = 2048ull << 20;
  out->disk = 1024ull << 20;
  out->pids = 512;
  out->files = 4096;
  out->inner_id = 1000;
  out->workdir = "/workspace";
  out->home = "/home/agent";
  out->hostname = "sandbox";
  *problem = "the last text has no end";
  if (length == 0 || text[length - 1] != 0) return -1;
  for (char *p = text, *next; p < text + length; p = next) {
    next = p + strlen(p) + 1;
    char *value = strchr(p, '=');
    *problem = p;
    if (!value) return -1;
    *value++ = 0;
    if (strcmp(p, "block") ? set(out, p, value) : add(&out->blocked, value)) {
      value[-1] = '='; /* the message shows the whole text */
      return -1;
    }
  }
  *problem = "a view of a root file system needs rootfs=DIR";
  if (out->view == VIEW_ROOTFS && !out->rootfs) return -1;
  *problem = "a layer needs layer=DIR";
  if (out->view == VIEW_LAYER && !out->layer) return -1;
  *problem = "the limits are too small";
  if (out->memory < (16u << 20) || out->disk < (1u << 20)) return -1;
  *problem = NULL;
  return 0;
}
