/* CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), as zlib computes it. */
#ifndef EDGEBNN_CRC32_H
#define EDGEBNN_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of `bytes` more bytes; the first call is given crc 0. */
uint32_t eb_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
