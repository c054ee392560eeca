/* Where our kernels for convolutions of few input channels are faster than XNNPACK's, by costs (conv_few_costs.h). A pool behind
 * the layer, which makes ours faster still, is not looked at. */
#include <string.h>

#include "op_kinds.h"

enum { int8 = EB_INT8, float32 = EB_FLOAT32 };
enum { XNNPACK_PADS_TO = 8 };
enum { ANY = -1 }; /* arithmetic */

typedef struct {
  int type;
  const char *kernel;
  uint32_t lacking;   /* features */
  int32_t arithmetic; /* of int8 */
  int32_t most_channels;
  double layer, segment, product, output, group;
  int32_t their_channels;
  double their_layer, their_product, their_output, their_window;
} cost;

static const cost costs[] = {
#define EB_CONV_FEW_COST(type, kernel, lacking, arithmetic, source, ...) {type, #kernel, lacking, arithmetic, __VA_ARGS__},
#include "conv_few_costs.h"
#undef EB_CONV_FEW_COST
};

static const double MARGIN = 1.1; /* by which it must be faster: of the fitted layers then none loses */

static int32_t ceil_div(int32_t x, int32_t by) { return (x + by - 1) / by; }

static double our_time(const cost *c, const eb_conv2d_few_plan *plan, double windows) {
  const double vectors = plan->padded_channels / plan->kernel->channel_multiple;
  const double groups = (double)plan->window_bytes / (plan->kernel->input_group * plan->element_bytes);
  const double window = c->segment * plan->segments + c->group * groups + (c->product * groups + c->output) * vectors;
  return c->layer + window * windows;
}

static double their_time(const cost *c, const eb_conv2d_few_plan *plan, double windows) {
  const eb_window *w = &plan->op.window;
  const int32_t depth = plan->op.channels_in;
  const int32_t padded = plan->op.type == EB_INT8 ? ceil_div(depth, XNNPACK_PADS_TO) * XNNPACK_PADS_TO : depth;
  const double products = (double)w->filter_height * w->filter_width * padded;
  const double vectors = ceil_div(plan->op.channels_out, c->their_channels);
  return c->their_layer + (c->their_window + (c->their_product * products + c->their_output) * vectors) * windows;
}

static bool fits(const cost *c, const eb_conv2d_few_plan *plan) {
  if (c->type != plan->op.type || strcmp(c->kernel, plan->kernel->name) != 0) return false;
  if (c->arithmetic != ANY && c->arithmetic != eb_cpu_int8_arithmetic()) return false;
  return (eb_cpu_features() & c->lacking) == 0 && plan->op.channels_in <= c->most_channels;
}

bool eb_conv_few_pays(const eb_conv2d_few_plan *plan) {
  const eb_window *w = &plan->op.window;
  const double windows = (double)w->batches * w->output_height * w->output_width;
  for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
    if (fits(&costs[i], plan))
      return their_time(&costs[i], plan, windows) > MARGIN * our_time(&costs[i], plan, windows);
  }
  return false;
}
