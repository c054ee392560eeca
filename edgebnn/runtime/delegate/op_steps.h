/* The steps of an op (kernels.h): read from the interpreter's element-wise ops, settled for present shapes, and bound to memory
 * to be run. */
#ifndef EDGEBNN_DELEGATE_OP_STEPS_H
#define EDGEBNN_DELEGATE_OP_STEPS_H

#include "delegate.h"

/* Whether the op is nothing but steps. */
bool eb_op_is_steps(const eb_op *op);

/* Whether no step reads anything but constants of the file, one value a channel. */
bool eb_steps_are_constant(const LiteContext *context, const eb_op *op);

/* Whether all constants that a step reads are finite, and at least `least`. */
bool eb_steps_finite_from(const LiteTensor *constants, float least);

/* Whether a step's operand is a tensor of the output's own shape, for the present shapes. */
bool eb_step_is_elementwise(const eb_op_step *step);

/* Finds which rows share an operand, for rows of `shape`, the last dimension of which is the channels. Refuses by eb_refuse. */
bool eb_steps_settle(eb_delegate *delegate, const LiteContext *context, eb_op *op, const int *shape, int rank);

/* The steps with their operands. output_stride: 0 for rows that follow each other. */
eb_output_steps eb_steps_bind(const eb_op *op, const eb_op_memory *memory, size_t output_stride);

#endif
