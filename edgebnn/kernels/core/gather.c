#include "gather.h"

#include "bytes.h"

#define EB_GATHER(type)                                                                                          \
  void eb_gather_##type(const eb_gather_layer *l, const void *table, const type##_t *indices, void *output) {    \
    const uint8_t *from = (const uint8_t *)table;                                                                \
    uint8_t *to = (uint8_t *)output;                                                                             \
    for (int32_t o = 0; o < l->outer; o++, from += l->entries * l->bytes) {                                      \
      for (int32_t i = 0; i < l->indices; i++, to += l->bytes) {                                                 \
        const type##_t index = indices[i] < 0 ? 0 : indices[i] < l->entries ? indices[i] : l->entries - 1;       \
        memcpy(to, from + (int32_t)index * l->bytes, (size_t)l->bytes);                                          \
      }                                                                                                          \
    }                                                                                                            \
  }

EB_GATHER(int32)
EB_GATHER(int64)
