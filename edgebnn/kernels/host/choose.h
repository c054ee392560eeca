/* How a line of a table of kernels is chosen; not for callers. */
#ifndef EDGEBNN_CHOOSE_H
#define EDGEBNN_CHOOSE_H

#include <string.h>

#include "../core/kernels.h"

static inline int eb_has_features(uint32_t needed, uint32_t cpu_features) { return (needed & ~cpu_features) == 0; }

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
