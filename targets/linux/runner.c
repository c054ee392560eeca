/* A network as a program for a device without Python: it serves one caller over its standard streams, and ends when
 * these close. It writes the frames of wire.py; a request is a letter, a number of repeats and the inputs' bytes. It is
 * begun by by_hand.c, for those who say --serve.
 *
 *   R  one inference: the outputs
 *   T  one inference: of every layer what it left in the arena, and the outputs
 *   P  as many timed inferences: of each the moments (ns) around it and in front of and behind every layer
 *
 * Every answer says with it what memory the process has taken at most, where Linux tells.
 *
 * network_io.h is generated: sizes, headers as JSON, and how the network is called. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "network_io.h"

enum { ALIVE_NS = 2000000000, MOMENTS = NETWORK_LAYERS + 3 };

static const char magic[4] = {'E', 'B', 'N', '1'};
static uint8_t inputs[NETWORK_INPUT_BYTES + 1] __attribute__((aligned(16)));
static uint8_t outputs[NETWORK_OUTPUT_BYTES + 1] __attribute__((aligned(16)));
static uint8_t shown[NETWORK_SHOWN_BYTES + 1] __attribute__((aligned(16)));
static int64_t *moments;
static int64_t last_alive;
static int showing, serving;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void put(const void *data, size_t size) {
  const uint8_t *from = data;
  while (size > 0) {
    const ssize_t written = write(STDOUT_FILENO, from, size);
    if (written <= 0) exit(0); /* nobody is there any more */
    from += written;
    size -= (size_t)written;
  }
}

static int get(void *data, size_t size) {
  uint8_t *to = data;
  while (size > 0) {
    const ssize_t count = read(STDIN_FILENO, to, size);
    if (count <= 0) return 0;
    to += count;
    size -= (size_t)count;
  }
  return 1;
}

/* ``more``: members for the header's object, each behind a comma. */
static void send_frame(const char *header, const char *more, uint64_t body_bytes) {
  const size_t open = strlen(header) - 1; /* without the closing brace */
  const uint32_t length = (uint32_t)(open + strlen(more) + 1);
  uint8_t head[16];
  memcpy(head, magic, 4);
  memcpy(head + 4, &length, 4);
  memcpy(head + 8, &body_bytes, 8);
  put(head, sizeof head);
  put(header, open);
  put(more, strlen(more));
  put("}", 1);
}

/* Not that of getrusage, in which a process inherits the peak of the one that started it. */
static long peak_memory_kb(void) {
  char line[128];
  long kb = -1;
  FILE *const status = fopen("/proc/self/status", "r");
  if (status == NULL) return -1;
  while (kb < 0 && fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "VmHWM: %ld kB", &kb) != 1) kb = -1;
  }
  fclose(status);
  return kb;
}

static void send_answer(const char *header, uint64_t body_bytes) {
  const long kb = peak_memory_kb();
  char more[64] = "";
  if (kb >= 0) snprintf(more, sizeof more, ", \"peak_memory_kb\": %ld", kb);
  send_frame(header, more, body_bytes);
}

/* Now and then: the caller is told that this works on, and if it is gone, this ends. It sends nothing while it waits, so
 * what can be read then is the end. */
static void look_around(int64_t time) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  int waiting = 0;
  if (time - last_alive < ALIVE_NS) return;
  if (poll(&input, 1, 0) > 0 && (ioctl(STDIN_FILENO, FIONREAD, &waiting) != 0 || waiting == 0)) exit(0);
  send_frame("{\"alive\": true, \"arrays\": []}", "", 0);
  last_alive = time;
}

void edgebnn_profile_hook(int layer);
void edgebnn_profile_hook(int layer) {
  if (!serving) return;
  const int64_t time = now();
  if (moments != NULL) moments[1 + layer] = time;
  if (showing && layer > 0) network_show(layer - 1, shown);
  look_around(time);
}

static int repeat(uint32_t repeats) {
  const size_t bytes = (size_t)repeats * MOMENTS * sizeof(int64_t);
  int64_t *const all = malloc(bytes);
  char header[128];
  if (all == NULL) return -1;
  for (uint32_t i = 0; i < 2 + repeats / 10; ++i) {
    if (network_call(inputs, outputs) != 0) return -1;
  }
  for (uint32_t i = 0; i < repeats; ++i) {
    moments = all + (size_t)i * MOMENTS;
    moments[0] = now();
    if (network_call(inputs, outputs) != 0) return -1;
    moments[MOMENTS - 1] = now();
  }
  moments = NULL;
  snprintf(header, sizeof header, "{\"arrays\": [{\"dtype\": \"int64\", \"shape\": [%u, %d]}]}", (unsigned)repeats, MOMENTS);
  send_answer(header, bytes);
  put(all, bytes);
  free(all);
  return 0;
}

static int answer(char request, uint32_t repeats) {
  if (request == 'P') return repeat(repeats);
  showing = request == 'T';
  if (network_call(inputs, outputs) != 0) return -1;
  if (showing) {
    send_answer(NETWORK_SHOWN, (uint64_t)NETWORK_SHOWN_BYTES + NETWORK_OUTPUT_BYTES);
    put(shown, NETWORK_SHOWN_BYTES);
  } else {
    send_answer(NETWORK_OUTPUTS, NETWORK_OUTPUT_BYTES);
  }
  put(outputs, NETWORK_OUTPUT_BYTES);
  showing = 0;
  return 0;
}

int network_serve(void) {
  char request;
  uint32_t repeats;
  static const char greeting[] = "\0edgebnn-agent"; /* and the zero behind it */
  serving = 1;
  put(greeting, sizeof greeting);
  send_frame(NETWORK_HELLO, "", 0);
  while (get(&request, 1) && get(&repeats, sizeof repeats) && get(inputs, NETWORK_INPUT_BYTES)) {
    last_alive = now();
    if (answer(request, repeats) != 0) {
      fputs("edgebnn: the device has too little memory for this model\n", stderr);
      return 4;
    }
  }
  return 0;
}
