/* The steps of an op (kernels.h): read from the interpreter's element-wise ops, settled for present shapes, and bound to memory
 * to be run. */
#ifndef EDGEBNN_DELEGATE_OP_STEPS_H
#define EDGEBNN_DELEGATE_OP_STEPS_H

#include "delegate.h"

/* Whether the op is nothing but steps. */
bool eb_op_is_steps(const eb_op *op);

bool eb_op_is_int8_prelu(const eb_op *op);

/* Whether they are of int8. */
bool eb_steps_are_int8(const eb_op *op);

/* Whether all are of float32, and none reads anything but constants of the file, one value a channel. */
bool eb_steps_are_constant(const LiteContext *context, const eb_op *op);

/* Whether all constants that a step reads are finite, and at least `least`. */
bool eb_steps_finite_from(const LiteTensor *constants, float least);

/* Whether a step's operand is a tensor of the output's own shape, for the present shapes. */
bool eb_step_is_elementwise(const eb_op_step *step);

/* Finds which rows share an operand, for rows of `shape`, the last dimension of which is the channels. Refuses by eb_refuse. */
bool eb_steps_settle(eb_delegate *delegate, const LiteContext *context, eb_op *op, const int *shape, int rank);

/* Before the op runs: finds the constants of steps that scale by what the op reads. */
void eb_steps_look_up(const eb_op *op, const eb_op_memory *memory);

/* Frees what the steps have of their own. */
void eb_steps_release(eb_op *op);

/* The steps with their operands. output_stride: 0 for rows that follow each other. */
eb_output_steps eb_steps_bind(const eb_op *op, const eb_op_memory *memory, size_t output_stride);

#endif
