/* Memory of prepared layers of generated packages. */
#ifndef EDGEBNN_PACKAGE_MEMORY_H
#define EDGEBNN_PACKAGE_MEMORY_H

#include <stdlib.h>

#include "../core/numbers.h"

/* What a prepared layer has; all zero before. */
typedef struct eb_package_memory {
  void *persistent, *scratch;
} eb_package_memory;

/* At a multiple of EB_ALIGNMENT, never given back; NULL if there is none. */
static inline void *eb_package_kept(size_t bytes) {
  const size_t most = (size_t)-1 - 2 * EB_ALIGNMENT;
  if (bytes > most) return NULL;
  char *memory = malloc(bytes + EB_ALIGNMENT);
  if (memory == NULL) return NULL;
  return memory + (EB_ALIGNMENT - (uintptr_t)memory % EB_ALIGNMENT);
}

/* Whether there is memory of these sizes, from now on if not before. */
static inline int eb_package_has_memory(eb_package_memory *memory, size_t persistent_bytes, size_t scratch_bytes) {
  if (memory->persistent == NULL) memory->persistent = eb_package_kept(persistent_bytes);
  if (memory->scratch == NULL) memory->scratch = eb_package_kept(scratch_bytes);
  return memory->persistent != NULL && memory->scratch != NULL;
}

#endif
