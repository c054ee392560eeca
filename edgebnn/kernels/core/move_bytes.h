/* A tensor to another place in the arena, which may overlap the one it has. */
#ifndef EDGEBNN_MOVE_BYTES_H
#define EDGEBNN_MOVE_BYTES_H

#include <stddef.h>

/* Both at multiples of 4 bytes. */
void eb_move_bytes(void *to, const void *from, size_t bytes);

#endif
