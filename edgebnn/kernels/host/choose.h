/* How a line of a table of kernels is chosen; not for callers. */
#ifndef EDGEBNN_CHOOSE_H
#define EDGEBNN_CHOOSE_H

#include <string.h>

#include "../core/kernels.h"

static inline int eb_has_features(uint32_t needed, uint32_t cpu_features) { return (needed & ~cpu_features) == 0; }

/* Whether the order is one of those that a kernel takes. */
static inline int eb_takes_order(int32_t orders, int32_t order) {
  return order > 0 && (order & (order - 1)) == 0 && (orders & order) != 0;
}

/* Whether a schedule gives a tile's size where there is such a tile, and only there. */
static inline int eb_is_tile(int32_t size, int exists) { return exists ? size >= 1 : size == 0; }

/* Whether the search ends with a line, and with which status: at the forced one, or else at the first that runs. */
static inline int eb_ends_search(const char *line, uint32_t needed, const char *forced, uint32_t cpu_features,
                                 eb_status *status) {
  const int runs = eb_has_features(needed, cpu_features);
  *status = runs ? EB_OK : EB_CPU_LACKS_KERNEL;
  return forced == NULL ? runs : strcmp(forced, line) == 0;
}

/* No line has ended it. */
static inline eb_status eb_search_failed(const char *forced) {
  return forced == NULL ? EB_CPU_LACKS_KERNEL : EB_UNKNOWN_KERNEL;
}

#endif
