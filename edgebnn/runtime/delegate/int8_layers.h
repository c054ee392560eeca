/* Layers of standard int8 files that the delegate recognises as layers with 1-bit weights. */
#ifndef EDGEBNN_DELEGATE_INT8_LAYERS_H
#define EDGEBNN_DELEGATE_INT8_LAYERS_H

#include "delegate.h"

/* Bytes that are read of a builtin op's params (LiteNode.builtin_data); 0 for ops that are never recognised. */
size_t eb_int8_params_bytes(int32_t builtin_code);

/* Whether a node is an int8 layer with two-valued weights, whose sums fit in 32 bits: then `op` is filled from it. The op's
 * plan is for the input's present shape. Says nothing of what is not recognised. */
bool eb_int8_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op);

/* Whether 1-bit weights make the recognised layer faster on this processor than int8 ones (docs/performance.md). */
bool eb_int8_pays(const eb_op *op);

#endif
