/* The integer options of an LCE op, out of the node's FlexBuffer. */
#ifndef EDGEBNN_DELEGATE_OPTIONS_H
#define EDGEBNN_DELEGATE_OPTIONS_H

#include "delegate.h"

typedef struct {
  const char *key;
  int32_t *value;
} eb_option;

/* Reads `count` options. Refuses by naming the one that is missing or out of range. */
bool eb_read_options(eb_delegate *delegate, const LiteNode *node, const eb_op *op, const eb_option *options, int count);

/* An input, `role` by name, that must be a constant of this type and rank, its first dimension `length` (any if 0). */
bool eb_require_constant(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int input,
                         const char *role, int type, int rank, int length);

#endif
