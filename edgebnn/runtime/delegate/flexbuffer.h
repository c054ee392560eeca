/* A bounds-checked reader of the one FlexBuffer shape that LCE's ops use: a map from names to integers. */
#ifndef EDGEBNN_DELEGATE_FLEXBUFFER_H
#define EDGEBNN_DELEGATE_FLEXBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *data;
  size_t size;
  size_t values; /* where the first value stands; the packed types follow the last one */
  size_t keys; /* where the first key's offset stands */
  size_t count;
  unsigned value_width;
  unsigned key_width;
} FlexMap;

/* Opens the map that is the root of `data`. False if the bytes are anything else; never reads outside of them. */
bool flex_map_open(FlexMap *map, const void *data, size_t size);

/* The integer (or boolean) under `key`. False if it is missing or of another type. */
bool flex_map_int(const FlexMap *map, const char *key, int64_t *value);

#endif
