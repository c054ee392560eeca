/* Ops that only move elements, as strided copies, or by a table of places where these would be too many.
 *
 * Which element goes where is computed when the package is generated. Offsets and steps are in bytes. Numbers of the plan,
 * for each block of copies:
 *   output, its first byte, input (-1: the fill), its first byte, bytes of a run, loops,
 * then for each loop, the outermost first: how often, the step in the output, the step in the input.
 */
#ifndef EDGEBNN_MOVE_H
#define EDGEBNN_MOVE_H

#include <stdint.h>

enum { EB_MOVE_LOOPS = 8 };

typedef struct eb_move_layer {
  int32_t blocks;
  int32_t element; /* bytes: 1, 2, 4 or 8; everything is a multiple of it */
  const int32_t *plan;
  const void *fill; /* one element, or null where nothing is filled */
} eb_move_layer;

void eb_move(const eb_move_layer *layer, const void *const *inputs, void *const *outputs);

typedef struct eb_move_table_layer {
  int32_t runs;
  int32_t bytes;         /* of a run */
  int32_t element;       /* bytes: 1, 2, 4 or 8 */
  const int32_t *places; /* [runs] where each run begins in the input; -1: it is filled */
  const void *fill;
} eb_move_table_layer;

/* The output's runs, one behind the other. */
void eb_move_table(const eb_move_table_layer *layer, const void *input, void *output);

#endif
