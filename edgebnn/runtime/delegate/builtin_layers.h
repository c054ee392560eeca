/* The interpreter's own ops that the delegate takes over: int8 layers whose weights are two-valued, which it runs with
 * 1-bit weights, and additions of a residual to a binary convolution. */
#ifndef EDGEBNN_DELEGATE_BUILTIN_LAYERS_H
#define EDGEBNN_DELEGATE_BUILTIN_LAYERS_H

#include "delegate.h"

/* Bytes that are read of a builtin op's params (LiteNode.builtin_data); 0 for ops that are never recognised. */
size_t eb_builtin_params_bytes(int32_t builtin_code);

/* Whether a node can be taken over; then `op` is filled from it. Says nothing of what is not recognised. */
bool eb_builtin_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                          int32_t builtin_code, eb_op *op);

/* The same of int8 layers, whose sums have to fit in 32 bits. The op's plan is for the input's present shape. */
bool eb_int8_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op);
size_t eb_int8_params_bytes(int32_t builtin_code);

/* Whether 1-bit weights make the recognised layer faster on this processor than int8 ones (docs/performance.md). */
bool eb_int8_pays(const eb_op *op);

/* The same of ADD of two float32 tensors of one shape, neither of them a constant. */
bool eb_add_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op);

#endif
