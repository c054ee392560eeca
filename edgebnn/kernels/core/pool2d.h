/* Average and greatest value of windows of float32, of what steps make of each value, or of int8, without steps. Sums go through
 * a window row by row, as in TFLite's reference kernels, averages of int8 are rounded halves away from zero, as theirs are, and
 * taps outside the image do not count. */
#ifndef EDGEBNN_POOL2D_H
#define EDGEBNN_POOL2D_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a tile, at most; of a window of int8, whose sums are divided as floats, which is exact below 2**24. */
enum { EB_POOL_CHANNELS = 64, EB_POOL_INT8_TAPS = 1 << 16 };

typedef struct eb_pool2d {
  eb_window window; /* dilation must be 1 */
  int32_t channels;
  int32_t averages; /* else the greatest */
  float low, high;  /* of the activation; of int8 in steps of the output */
  int32_t type;     /* EB_FLOAT32 or EB_INT8 */
  int32_t steps_last; /* whether steps, which then keep the order of values, are done with the greatest alone; else with all */
} eb_pool2d;

/* Resolves the window, and gives the number of tiles: some channels of an output pixel. */
EB_EXPORT eb_status eb_pool2d_check(eb_pool2d *op, int32_t *tiles);

#ifdef __cplusplus
}
#endif

#endif
