/*
 * Buffers, numbers and the decoder of frames and requests. Nothing here trusts a length: every read is checked
 * against the bytes that are there. This file is what the fuzzer runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jail.h"

unsigned char *buffer_reserve(struct buffer *b, size_t bytes) {
  if (b->start == b->end) b->start = b->end = 0;
  if (b->capacity - b->end >= bytes) return b->data + b->end;
  size_t used = buffer_length(b);
  if (b->start >= bytes && b->start >= used) { /* the move is cheap: it pays for itself with the room that was consumed */
    memmove(b->data, b->data + b->start, used);
  } else {
    size_t capacity = b->capacity ? b->capacity : 4096;
    while (capacity - used < bytes) capacity *= 2;
    unsigned char *data = malloc(capacity);
    if (!data) abort(); /* pid 1 without memory cannot go on; its end takes the sandbox down */
    if (used) memcpy(data, b->data + b->start, used);
    free(b->data);
    b->data = data;
    b->capacity = capacity;
  }
  b->start = 0;
  b->end = used;
  return b->data + b->end;
}

void buffer_append(struct buffer *b, const void *data, size_t bytes) {
  if (bytes == 0) return;
  memcpy(buffer_reserve(b, bytes), data, bytes);
  b->end += bytes;
}

void buffer_consume(struct buffer *b, size_t bytes) {
  b->start += bytes;
  if (b->start != b->end) return;
  b->start = b->end = 0;
  if (b->capacity > (1u << 19)) buffer_free(b); /* a burst must not cost memory for ever */
}

void buffer_free(struct buffer *b) {
  free(b->data);
  memset(b, 0, sizeof *b);
}

void put16(unsigned char *p, uint16_t v) { p[0] = (unsigned char)v; p[1] = (unsigned char)(v >> 8); }
void put32(unsigned char *p, uint32_t v) { put16(p, (uint16_t)v); put16(p + 2, (uint16_t)(v >> 16)); }
void put64(unsigned char *p, uint64_t v) { put32(p, (uint32_t)v); put32(p + 4, (uint32_t)(v >> 32)); }
uint16_t get16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }
uint32_t get32(const unsigned char *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

int frame_next(struct buffer *in, struct frame *out) {
  if (buffer_length(in) < FRAME_HEADER) return 0;
  const unsigned char *p = in->data + in->start;
  out->length = get32(p);
  out->id = get32(p + 4);
  out->type = p[8];
  out->payload = p + FRAME_HEADER;
  if (out->length > FRAME_MAX) return -1;
  return buffer_length(in) - FRAME_HEADER >= out->length;
}

char *text_dup(const unsigned char *p, size_t length) {
  if (length == 0 || length >= 4096 || memchr(p, 0, length)) return NULL;
  char *copy = malloc(length + 1);
  if (!copy) return NULL;
  memcpy(copy, p, length);
  copy[length] = 0;
  return copy;
}

int exec_request_parse(const unsigned char *p, size_t length, struct exec_request *out) {
  memset(out, 0, sizeof *out);
  if (length < 24 + 1) return -1;
  out->flags = get32(p);
  out->timeout_ms = get32(p + 4);
  out->max_bytes = get64(p + 8);
  out->rows = get16(p + 16);
  out->columns = get16(p + 18);
  out->argc = get16(p + 20);
  out->envc = get16(p + 22);
  if (out->argc == 0 || p[length - 1] != 0) return -1;
  size_t slots = (size_t)out->argc + out->envc + 2, text = length - 24;
  char **pointers = malloc(slots * sizeof *pointers + text);
  if (!pointers) return -1;
  char *next = (char *)(pointers + slots), *end = next + text;
  memcpy(next, p + 24, text);
  out->storage = pointers;
  out->argv = pointers;
  out->envp = pointers + out->argc + 1;
  out->cwd = next;
  next += strlen(next) + 1;
  for (unsigned i = 0; i < (unsigned)out->argc + out->envc; i++) {
    if (next >= end) { exec_request_free(out); return -1; }
    (i < out->argc ? out->argv : out->envp - out->argc)[i] = next;
    next += strlen(next) + 1;
  }
  if (next != end) { exec_request_free(out); return -1; }
  out->argv[out->argc] = out->envp[out->envc] = NULL;
  return 0;
}

void exec_request_free(struct exec_request *r) {
  free(r->storage);
  r->storage = NULL;
}
