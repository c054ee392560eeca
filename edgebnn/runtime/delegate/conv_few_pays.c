/* Where our kernels for convolutions of few input channels are faster than XNNPACK's, by costs (conv_few_costs.h). A pool behind
 * the layer, which makes ours faster still, is not looked at. */
#include <string.h>

#include "op_kinds.h"

enum { int8 = EB_INT8, float32 = EB_FLOAT32 };

typedef struct {
  int type;
  const char *kernel;
  double layer, segment, product, output, group;
  double their_layer, tap, their_product, their_output, pixel;
} cost;

static const cost costs[] = {
#define EB_CONV_FEW_COST(table, kernel, source, ...) {table, #kernel, __VA_ARGS__},
#include "conv_few_costs.h"
#undef EB_CONV_FEW_COST
};

static const double MARGIN = 1.2; /* by which it must be faster: of the fitted layers then none loses */

/* Their time / ours. */
static double speedup(const cost *c, const eb_conv2d_few_plan *plan) {
  const eb_window *w = &plan->op.window;
  const double pixels = (double)w->batches * w->output_height * w->output_width;
  const double taps = (double)w->filter_height * w->filter_width, products = taps * plan->op.channels_in;
  const double vectors = (double)plan->padded_channels / plan->kernel->channel_multiple;
  const double groups = (double)plan->window_bytes / (plan->kernel->input_group * plan->element_bytes);
  const double sixteenth = plan->op.channels_out / 16.0;
  const double ours = c->layer + pixels * (c->segment * plan->segments + (c->product * groups + c->output) * vectors +
                                           c->group * groups);
  const double theirs = c->their_layer + pixels * (c->tap * taps + (c->their_product * products + c->their_output) *
                                                                       sixteenth + c->pixel);
  return theirs / ours;
}

bool eb_conv_few_pays(const eb_conv2d_few_plan *plan) {
  for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
    if (costs[i].type == plan->op.type && strcmp(costs[i].kernel, plan->kernel->name) == 0)
      return speedup(&costs[i], plan) > MARGIN;
  }
  return false;
}
