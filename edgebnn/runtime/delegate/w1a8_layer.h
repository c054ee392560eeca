/* A layer with 1-bit weights and int8 activations as the delegate runs it, whatever op of the file it stands for: one of
 * ours (op_w1a8.c), or an int8 op whose weights are two-valued (op_int8.c). */
#ifndef EDGEBNN_DELEGATE_W1A8_LAYER_H
#define EDGEBNN_DELEGATE_W1A8_LAYER_H

#include "delegate.h"

/* Int8, quantized per tensor: a scale that is finite and positive, a zero point within int8. */
bool eb_w1a8_is_quantized(const LiteTensor *tensor);

/* Sets zero points and the range of the activation (of the schema's numbers). False if the activation is none that
 * exists, or that an int8 layer does not have. */
bool eb_w1a8_set_ends(eb_w1a8 *layer, const LiteTensor *input, const LiteTensor *output, int32_t activation);

/* The least and the greatest output under an activation of the schema's numbers. False if it is none that exists. */
bool eb_w1a8_range(const LiteTensor *output, int32_t activation, int32_t *least, int32_t *greatest);

/* The window of a dense layer, all but the image. */
eb_window eb_w1a8_dense_window(void);

/* input scale * weight scale / output scale, as TFLite forms it. */
double eb_w1a8_factor(const LiteContext *context, const eb_op *op, float weight_scale, float output_scale);

/* Takes the image from the input's present shape. False if the input does not fit the layer. */
bool eb_w1a8_set_image(const LiteContext *context, eb_op *op);

/* The output's shape for that image, under its plan. */
void eb_w1a8_output_shape(const LiteContext *context, const eb_op *op, const eb_w1a8_plan *plan, int *shape);

/* The plan for the present shape, by the forced kernel where W1A8 has it too, else by the best. */
eb_status eb_w1a8_make_plan(const eb_delegate *delegate, const eb_op *op, eb_w1a8_plan *plan);

/* What a loader had to allocate; NULL where it did not. */
typedef struct {
  int32_t *filter, *magnitude;
  double *factor;
} eb_w1a8_owned;
void eb_w1a8_free_owned(eb_w1a8_owned *owned);

/* Puts the constants of the file into `constants`, which may lie in `owned`. Refuses by eb_refuse. */
typedef bool (*eb_w1a8_loader)(eb_delegate *delegate, const LiteContext *context, const eb_op *op,
                               eb_w1a8_constants *constants, eb_w1a8_owned *owned);

/* Of every kind of op that is run so: plans for the input's present shape, packs the weights for the plan's kernel unless
 * they are, and sets what an op's prepare must. */
bool eb_w1a8_prepare_op(eb_delegate *delegate, const LiteContext *context, eb_op *op, eb_w1a8_loader load,
                        int *output_shape);
void eb_w1a8_run_op(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end);
void eb_w1a8_release(eb_op *op);

#endif
