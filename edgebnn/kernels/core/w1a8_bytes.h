/* Staging for kernels of W1A8 convolution that multiply: a table is the inputs themselves, or u = x + 128. */
#ifndef EDGEBNN_W1A8_BYTES_H
#define EDGEBNN_W1A8_BYTES_H

#include "w1a8_block.h"

typedef uint8_t eb_sixteen_staged __attribute__((vector_size(16)));
typedef uint8_t eb_many_staged __attribute__((vector_size(64)));

EB_INLINE void eb_w1a8_flip_bytes(const int8_t *from, size_t count, uint8_t flipped, uint8_t *to) {
  size_t i = 0;
  for (eb_many_staged x; i + sizeof(x) <= count; i += sizeof(x)) {
    memcpy(&x, from + i, sizeof(x));
    x ^= flipped;
    memcpy(to + i, &x, sizeof(x));
  }
  for (eb_sixteen_staged x; i + sizeof(x) <= count; i += sizeof(x)) {
    memcpy(&x, from + i, sizeof(x));
    x ^= flipped;
    memcpy(to + i, &x, sizeof(x));
  }
  for (; i < count; i++) to[i] = (uint8_t)((uint8_t)from[i] ^ flipped);
}

/* flipped: 0x80 for u, 0 for x. */
EB_INLINE void eb_w1a8_stage_bytes(const eb_w1a8_pixels *p, int32_t table_bytes, uint8_t flipped) {
  const size_t inputs = (size_t)p->inputs, padded = (size_t)eb_round_up(p->inputs, table_bytes);
  uint8_t *to = (uint8_t *)p->tables;
  if (inputs == padded && p->input_stride == inputs && p->table_stride == inputs) {
    eb_w1a8_flip_bytes(p->input, inputs * (size_t)p->count, flipped, to);
    return;
  }
  for (int32_t i = 0; i < p->count; i++, to += p->table_stride) {
    eb_w1a8_flip_bytes(p->input + (size_t)i * p->input_stride, inputs, flipped, to);
    memset(to + inputs, 0, padded - inputs);
  }
}

#endif
