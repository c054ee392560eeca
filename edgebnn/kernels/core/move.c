#include "move.h"

#include "copies.h"

/* All runs of one block: the innermost loop is a call, the others count like an odometer. */
static void copy_block(uint8_t *to, const uint8_t *from, int32_t bytes, int32_t element, const int32_t *loop, int32_t loops) {
  int32_t index[EB_MOVE_LOOPS] = {0};
  const int32_t *inner = loop + 3 * (loops - 1);
  for (;;) {
    eb_copy_runs(to, from, inner[0], inner[1], inner[2], bytes, element);
    int32_t l = loops - 2;
    for (; l >= 0; l--) {
      to += loop[3 * l + 1];
      from += loop[3 * l + 2];
      if (++index[l] < loop[3 * l]) break;
      index[l] = 0;
      to -= loop[3 * l] * loop[3 * l + 1];
      from -= loop[3 * l] * loop[3 * l + 2];
    }
    if (l < 0) return;
  }
}

void eb_move(const eb_move_layer *layer, const void *const *inputs, void *const *outputs) {
  const int32_t *block = layer->plan;
  for (int32_t b = 0; b < layer->blocks; b++) {
    uint8_t *to = (uint8_t *)outputs[block[0]] + block[1];
    const uint8_t *from = (const uint8_t *)(block[2] < 0 ? layer->fill : inputs[block[2]]) + block[3];
    copy_block(to, from, block[4], layer->element, block + 6, block[5]);
    block += 6 + 3 * block[5];
  }
}
