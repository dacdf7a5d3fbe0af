/*
 * Feeds the decoders (frames, configuration, exec requests) with mutated and random bytes for a number of seconds,
 * under the sanitizers. Inputs come from a seeded generator, so a failure can be repeated: `decoder SECONDS [SEED]`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/jail.h"

static uint64_t state;
static uint64_t next(void) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 2685821657736338717ull;
}

static size_t example(unsigned char *to) {
  static const char config[] = "memory=536870912\0disk=1048576\0pids=64\0view=host\0network=user\0block=10.0.0.0/8\0readonly=/opt\0socket=/run/s\0uid=1000\0workdir=/w\0";
  static const char request[] = "/workspace\0bash\0-c\0echo hi\0PATH=/bin\0HOME=/root\0";
  size_t length;
  if (next() % 2) {
    length = sizeof config - 1;
    memcpy(to + FRAME_HEADER, config, length);
    to[8] = T_CONFIG;
  } else {
    length = 24 + sizeof request - 1;
    memset(to + FRAME_HEADER, 0, 24);
    put16(to + FRAME_HEADER + 20, 3);
    put16(to + FRAME_HEADER + 22, 2);
    memcpy(to + FRAME_HEADER + 24, request, sizeof request - 1);
    to[8] = T_EXEC;
  }
  put32(to, (uint32_t)length);
  put32(to + 4, (uint32_t)next());
  return length + FRAME_HEADER;
}

static void decode(const struct frame *frame) {
  /* Exact copies: a read beyond the end is seen by the address sanitizer. */
  unsigned char *copy = malloc(frame->length ? frame->length : 1);
  struct exec_request request;
  struct config config;
  const char *problem;
  if (frame->length) memcpy(copy, frame->payload, frame->length);
  if (exec_request_parse(copy, frame->length, &request) == 0) {
    size_t sum = strlen(request.cwd);
    for (unsigned i = 0; i < request.argc; i++) sum += strlen(request.argv[i]);
    for (unsigned i = 0; i < request.envc; i++) sum += strlen(request.envp[i]);
    if (sum > frame->length || request.argv[request.argc] || request.envp[request.envc]) abort();
    exec_request_free(&request);
  }
  free(text_dup(copy, frame->length));
  if (config_parse((char *)copy, frame->length, &config, &problem) == 0) {
    if (config.lower.count > LIST_MAX || config.pids == 0) abort();
  } else if (!problem) {
    abort();
  }
  free(copy);
}

int main(int argc, char **argv) {
  time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, rounds = 0, frames = 0;
  state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (; time(NULL) < until; rounds++) {
    unsigned char bytes[8192];
    struct buffer in = {0};
    struct frame frame;
    size_t length = 0;
    for (int n = (int)(next() % 6); n >= 0; n--) length += example(bytes + length);
    for (int n = (int)(next() % 12); n > 0; n--) {
      switch (next() % 4) {
        case 0: bytes[next() % length] = (unsigned char)next(); break;
        case 1: bytes[next() % length] ^= (unsigned char)(1u << next() % 8); break;
        case 2: length = 1 + next() % length; break;
        default: put32(bytes + next() % (length > 4 ? length - 4 : 1), (uint32_t)(next() % 300)); break;
      }
    }
    for (size_t at = 0; at < length;) {
      size_t step = 1 + next() % 700;
      if (step > length - at) step = length - at;
      buffer_append(&in, bytes + at, step);
      at += step;
      int got;
      while ((got = frame_next(&in, &frame)) > 0) {
        frames++;
        decode(&frame);
        buffer_consume(&in, FRAME_HEADER + frame.length);
      }
      if (got < 0) break;
    }
    buffer_free(&in);
  }
  printf("decoder: %llu inputs, %llu frames, seed %llu\n", (unsigned long long)rounds, (unsigned long long)frames, (unsigned long long)seed);
  return 0;
}
