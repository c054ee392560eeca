/* Copies word by word, from the end that is not overwritten before it is read. */
#include "move_bytes.h"

#include <stdint.h>

void eb_move_bytes(void *to, const void *from, size_t bytes) {
  uint32_t *target = (uint32_t *)to;
  const uint32_t *source = (const uint32_t *)from;
  uint8_t *target_end = (uint8_t *)to + bytes / 4 * 4;
  const uint8_t *source_end = (const uint8_t *)from + bytes / 4 * 4;
  const size_t rest = bytes % 4;
  if ((uintptr_t)to > (uintptr_t)from) {
    for (size_t i = rest; i > 0; i--) target_end[i - 1] = source_end[i - 1];
    for (size_t i = bytes / 4; i > 0; i--) target[i - 1] = source[i - 1];
  } else {
    for (size_t i = 0; i < bytes / 4; i++) target[i] = source[i];
    for (size_t i = 0; i < rest; i++) target_end[i] = source_end[i];
  }
}
