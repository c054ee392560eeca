/* The kinds of op that the delegate runs, and what they share in reading a node. */
#ifndef EDGEBNN_DELEGATE_OP_KINDS_H
#define EDGEBNN_DELEGATE_OP_KINDS_H

#include "delegate.h"

/* The kind that runs a custom op, or NULL. */
const eb_op_kind *eb_op_kind_of(const char *custom_code);

/* Fills `op` from a node of a kind, constants and options checked. The name is the tensor's own. */
bool eb_op_read(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                const eb_op_kind *kind, eb_op *op);

/* Whether one of the interpreter's own ops can be taken over; then `op` is filled from it, else it is of no kind. Says nothing
 * of what is not recognised. */
bool eb_builtin_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                          int32_t builtin_code, eb_op *op);

/* Bytes that are read of a builtin op's params (LiteNode.builtin_data); -1 for ops that are never recognised. */
int eb_builtin_params_bytes(int32_t builtin_code);

/* ---- int8 layers with two-valued weights (op_int8.c) --------------------------------------------------------------- */

/* Those whose sums fit in 32 bits. The op's plan is for the input's present shape. */
bool eb_int8_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op);
int eb_int8_params_bytes(int32_t builtin_code);

/* Whether 1-bit weights make the recognised layer faster on this processor than int8 ones (docs/performance.md). */
bool eb_int8_pays(const eb_op *op);

/* Whether the op is a recognised depthwise layer of single pixels, which makes of each int8 value another by the channel. */
bool eb_int8_maps_values(const eb_op *op);

/* What it makes in a channel of each value from -128 on. */
void eb_int8_fill_map(const LiteContext *context, const eb_op *op, int32_t channel, int8_t map[256]);

/* ---- convolutions of few input channels, PAD in front and MAX_POOL_2D behind them (op_conv_few.c, op_few_pad.c, conv_few_pays.c) */

/* A CONV_2D that our kernels take, and that pays, or all of these, or none, as the delegate is told. */
bool eb_conv_few_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                           eb_op *op);

/* Makes a read op with 1-bit weights one of these, where it has few input channels, and no schedule. */
void eb_conv_few_take_w1a8(const eb_delegate *delegate, const LiteContext *context, eb_op *op);

/* One of int8 and 1x1 of any depth that pays: a shortcut between others of ours, which then need not leave the partition. */
bool eb_conv_1x1_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                           eb_op *op);

/* Whether the op is of few channels. */
bool eb_op_is_conv_few(const eb_op *op);

/* The name of the kernel that runs such an op, or one of 1x1; NULL: it is another, or not prepared. */
const char *eb_conv_few_kernel_of(const eb_op *op);

/* Whether they are faster than the interpreter's on this processor (docs/performance.md). */
bool eb_conv_few_pays(const eb_conv2d_few_plan *plan);

/* A PAD that can become the border of such a convolution. */
bool eb_few_pad_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op);

/* Whether the convolution can have the border of a PAD that gives its input. */
bool eb_conv_few_takes_border(const eb_op *convolution, const eb_border *border);

/* Gives it to the convolution, which then reads what the PAD reads. */
void eb_conv_few_take_border(eb_op *convolution, const eb_op *pad);

/* A MAX_POOL_2D that can become a part of such a convolution; by itself it does not run. */
bool eb_few_pool_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op);

/* Whether the op is such a pool, or one of float32 without an activation; `pool` then has its window. */
bool eb_few_pool_of(const eb_op *op, eb_conv2d_few *pool);

/* Puts the convolution, pooled, in the place of the pool that reads it, with the pool's steps behind it. */
void eb_few_pool_join(const eb_op *convolution, const eb_conv2d_few *window, eb_op *pool);

/* Whether the signs that LceQuantize takes of the convolution's output, a tensor of this kind, are those that it can write. */
bool eb_conv_few_gives_signs(const eb_op *convolution, const LiteTensor *output);

/* Puts the convolution, giving signs, in the place of the LceQuantize that reads it. */
void eb_conv_few_take_signs(const eb_op *convolution, eb_op *quantize);

/* ---- ops of the interpreter's between binary ones (op_steps.c, op_concat.c, op_pool2d.c, op_gate.c)------------------------ */

bool eb_steps_recognize(const LiteContext *context, const LiteNode *node, int index, int32_t builtin_code, eb_op *op);
bool eb_concat_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op);
bool eb_concat_is_int8(const eb_op *op);
bool eb_pad_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op);
/* Of few values only. */
bool eb_gate_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op);
bool eb_pool2d_recognize(const LiteContext *context, const LiteNode *node, int index, int32_t builtin_code, eb_op *op);

bool eb_op_is_pool2d(const eb_op *op);

/* Whether its steps may as well be done behind it: none puts a lesser value above a greater one. */
bool eb_pool2d_keeps_order(const LiteContext *context, const eb_op *op);

bool eb_op_averages_int8(const eb_op *op);

/* ---- rows (op_rows.c) ---------------------------------------------------------------------------------------------- */

/* Fills `rows` and output_shape from an input whose last dimension becomes `channels`, and counts the op's units. */
bool eb_rows_settle(eb_delegate *delegate, eb_op *op, const LiteTensor *input, int channels, int *output_shape,
                    eb_rows *rows);

/* Gives an LceQuantize of float32 the thresholds of steps in front of it. False: there are none, or no memory. */
bool eb_quantize_find_thresholds(const eb_output_steps *steps, int32_t channels, eb_op *op);

/* Whether an LceQuantize of int8 compares with thresholds, and may read the parts of a concatenation. */
bool eb_quantize_has_parts(const eb_op *op);

/* All dimensions but the last are alike. */
bool eb_has_rows_of(const LiteTensor *a, const LiteTensor *b);

/* ---- options and constants ------------------------------------------------------------------------------------------ */

typedef struct {
  const char *key;
  int32_t *value;
} eb_option;

/* Reads `count` integer options out of the node's FlexBuffer. Refuses by naming the one that is missing or out of range. */
bool eb_read_options(eb_delegate *delegate, const LiteNode *node, const eb_op *op, const eb_option *options, int count);

/* An input, `role` by name, that must be a constant of this type and rank, its first dimension `length` (any if 0). */
bool eb_require_constant(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int input,
                         const char *role, int type, int rank, int length);

#endif
