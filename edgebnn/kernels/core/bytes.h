/* memcpy and memset, with and without a system. */
#ifndef EDGEBNN_BYTES_H
#define EDGEBNN_BYTES_H

#include <stddef.h>

#if __STDC_HOSTED__
#include <string.h>
#else /* compilers take these for granted wherever they compile for */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
#endif

#endif
