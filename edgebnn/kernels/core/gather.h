/* Entries of an axis picked by indices that are computed. The reference refuses an index that is no entry; here, where
 * nothing can be refused, the nearest entry is taken, so that no memory but the table's is read. */
#ifndef EDGEBNN_GATHER_H
#define EDGEBNN_GATHER_H

#include <stdint.h>

typedef struct eb_gather_layer {
  int32_t outer;   /* positions in front of the axis */
  int32_t entries; /* of the axis */
  int32_t bytes;   /* of an entry */
  int32_t indices;
} eb_gather_layer;

void eb_gather_int32(const eb_gather_layer *layer, const void *table, const int32_t *indices, void *output);
void eb_gather_int64(const eb_gather_layer *layer, const void *table, const int64_t *indices, void *output);

#endif
