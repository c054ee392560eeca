/* Two operands that broadcast: which elements meet. Axes along which both move alike are one. */
#ifndef EDGEBNN_BROADCAST_H
#define EDGEBNN_BROADCAST_H

#include <stdint.h>

enum { EB_MOST_AXES = 8 };

typedef struct eb_broadcast {
  int32_t axes;        /* 1 to EB_MOST_AXES */
  const int32_t *axis; /* [axes][3]: size, the step of the first operand, that of the second; the innermost last */
} eb_broadcast;

/* Where a run along the innermost axis begins, in elements. All zeros: at the first one. */
typedef struct eb_broadcast_run {
  int32_t first, second;
  int32_t index[EB_MOST_AXES]; /* along the axes but the innermost */
} eb_broadcast_run;

/* To the next run; 0 after the last one. */
static inline int eb_broadcast_next(const eb_broadcast *shape, eb_broadcast_run *run) {
  for (int32_t a = shape->axes - 2; a >= 0; a--) {
    const int32_t *axis = shape->axis + 3 * a;
    run->first += axis[1];
    run->second += axis[2];
    if (++run->index[a] < axis[0]) return 1;
    run->index[a] = 0;
    run->first -= axis[0] * axis[1];
    run->second -= axis[0] * axis[2];
  }
  return 0;
}

#endif
