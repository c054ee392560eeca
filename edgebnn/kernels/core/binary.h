/* The loop of kernels of two operands that broadcast: `expression` of the elements a and b, with the layer l. */
#ifndef EDGEBNN_BINARY_H
#define EDGEBNN_BINARY_H

#include "broadcast.h"

#define EB_BINARY(function, layer, operand, result, expression)                                                       \
  void function(const layer *l, const operand *first, const operand *second, result *output) {                        \
    const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);                                                   \
    const int32_t count = inner[0], first_step = inner[1], second_step = inner[2]; /* bytes that are written might be these */\
    eb_broadcast_run run = {0};                                                                                       \
    do {                                                                                                              \
      for (int32_t i = 0, x = run.first, y = run.second; i < count; i++, x += first_step, y += second_step) {         \
        const operand a = first[x], b = second[y];                                                                    \
        *output++ = (result)(expression);                                                                             \
      }                                                                                                               \
    } while (eb_broadcast_next(&l->shape, &run));                                                                     \
  }

#endif
