/* Copies at constant steps: whole elements by loads and stores of their size, which __builtin_memcpy becomes even where
 * memcpy is a call (-ffreestanding). */
#ifndef EDGEBNN_COPIES_H
#define EDGEBNN_COPIES_H

#include <stdint.h>

#include "bytes.h"

#define EB_COPY_ELEMENTS(size)                                                                         \
  for (int32_t i = 0; i < count; i++, to += to_step, from += from_step) {                              \
    __builtin_memcpy(__builtin_assume_aligned(to, size), __builtin_assume_aligned(from, size), size);  \
  }

/* count runs of `bytes`; tensors of elements of 8 bytes are taken for aligned to 4, which is enough for loads. */
static inline void eb_copy_runs(uint8_t *to, const uint8_t *from, int32_t count, int32_t to_step, int32_t from_step,
                                int32_t bytes, int32_t element) {
  if (bytes != element) {
    for (int32_t i = 0; i < count; i++, to += to_step, from += from_step) memcpy(to, from, (size_t)bytes);
  } else if (element == 1 && to_step == 1 && from_step == 0) {
    if (count > 0) memset(to, *from, (size_t)count);
  } else if (element == 1) {
    EB_COPY_ELEMENTS(1)
  } else if (element == 2) {
    EB_COPY_ELEMENTS(2)
  } else if (element == 4) {
    EB_COPY_ELEMENTS(4)
  } else {
    for (int32_t i = 0; i < count; i++, to += to_step, from += from_step) {
      __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 8);
    }
  }
}

#endif
