/* What the exercises of the kernels share: random signs, and buffers that end at their last byte. */
#ifndef EDGEBNN_EXERCISE_H
#define EDGEBNN_EXERCISE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static unsigned long long state = 1;

static uint32_t draw(void) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)(state >> 32);
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  if (memory == NULL) exit(2);
  return memory;
}

/* To the kernels' alignment; ends at the byte. */
static void *allocate_aligned(size_t bytes, unsigned char **raw) {
  *raw = allocate(bytes + EB_ALIGNMENT);
  unsigned char *memory = *raw + (EB_ALIGNMENT - (uintptr_t)*raw % EB_ALIGNMENT);
  memset(memory, 0xA5, bytes);
  return memory;
}

/* One of the orders, and sizes of its tiles, of a kernel. */
static inline eb_schedule draw_schedule(const char *kernel, int32_t orders, int has_pixels) {
  eb_schedule schedule = {kernel, EB_OUTPUT_STATIONARY, 0, 0, 1 + (int32_t)(draw() % 3)};
  if (orders == EB_ROW_STATIONARY) schedule.order = orders;
  if ((orders & EB_WEIGHT_STATIONARY) != 0 && draw() % 2 == 0) schedule.order = EB_WEIGHT_STATIONARY;
  const int32_t size = 1 + (int32_t)(draw() % 4);
  if (has_pixels && schedule.order != EB_ROW_STATIONARY) {
    schedule.tile_pixels = 8 * size;
  } else {
    schedule.tile_rows = size;
  }
  return schedule;
}

/* Packed pixels of random signs; the unused bits are 0. */
static inline int32_t *draw_signs(size_t pixels, int32_t channels) {
  const size_t words = (size_t)eb_packed_words(channels);
  int32_t *signs = allocate(pixels * words * sizeof(int32_t));
  for (size_t i = 0; i < pixels * words; i++) {
    const uint32_t last = channels % 32 != 0 && i % words == words - 1 ? (1u << channels % 32) - 1 : ~0u;
    signs[i] = (int32_t)(draw() & last);
  }
  return signs;
}

#endif
