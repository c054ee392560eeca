/* Staging for kernels of W1A8 convolution that multiply: a table is the inputs themselves, or u = x + 128. */
#ifndef EDGEBNN_W1A8_BYTES_H
#define EDGEBNN_W1A8_BYTES_H

#include "w1a8_block.h"

typedef uint8_t eb_eight_staged __attribute__((vector_size(8)));
typedef uint8_t eb_sixteen_staged __attribute__((vector_size(16)));
typedef uint8_t eb_many_staged __attribute__((vector_size(64)));

/* As many of `type` as there is room for before `end`, from byte `i` on. */
#define EB_FLIP(type)                                     \
  for (type x; i + sizeof(x) <= end; i += sizeof(x)) {    \
    memcpy(&x, from + i, sizeof(x));                      \
    x ^= flipped;                                         \
    memcpy(to + i, &x, sizeof(x));                        \
  }

/* `count` bytes, and zeros behind them up to `padded`. */
EB_INLINE void eb_w1a8_flip_bytes(const int8_t *from, size_t count, size_t padded, uint8_t flipped, uint8_t *to) {
  const size_t end = count;
  size_t i = 0;
  EB_FLIP(eb_many_staged)
  EB_FLIP(eb_sixteen_staged)
  EB_FLIP(eb_eight_staged)
  for (; i < padded; i++) to[i] = i < count ? (uint8_t)((uint8_t)from[i] ^ flipped) : 0;
}

/* flipped: 0x80 for u, 0 for x. */
EB_INLINE void eb_w1a8_stage_bytes(const eb_w1a8_pixels *p, int32_t table_bytes, uint8_t flipped) {
  const size_t inputs = (size_t)p->inputs, padded = (size_t)eb_round_up(p->inputs, table_bytes);
  const int8_t *from = p->input;
  uint8_t *to = (uint8_t *)p->tables;
  if (inputs == padded && p->input_stride == inputs && p->table_stride == inputs) {
    eb_w1a8_flip_bytes(from, inputs * (size_t)p->count, inputs * (size_t)p->count, flipped, to);
    return;
  }
  for (int32_t i = 0; i < p->count; i++, from += p->input_stride, to += p->table_stride) {
    eb_w1a8_flip_bytes(from, inputs, padded, flipped, to);
  }
}

#endif
