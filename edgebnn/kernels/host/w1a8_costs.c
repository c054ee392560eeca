/* What a layer costs with each kernel of W1A8 convolution, and what it gains over int8, by costs (w1a8_costs.h). */
#include <string.h>

#include "../core/w1a8_parts.h"

typedef struct {
  const char *kernel;
  int32_t arithmetic, together;
  double input, block, product, output, weight, int8_output, int8_weight;
} cost;

static const cost costs[] = {
#define EB_W1A8_COST(kernel, arithmetic, source, together, input, block, product, output, weight,        \
                     int8_output, int8_weight)                                                       \
  {#kernel, EB_INT8_##arithmetic, together, input, block, product, output, weight, int8_output, int8_weight},
#include "w1a8_costs.h"
#undef EB_W1A8_COST
};

static const cost *find(const eb_w1a8_kernel *kernel) {
  const int32_t arithmetic = eb_cpu_int8_arithmetic();
  for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
    if (costs[i].arithmetic == arithmetic && strcmp(costs[i].kernel, kernel->name) == 0) return &costs[i];
  }
  return NULL;
}

static double count(int32_t a, int32_t b) { return (double)a * (double)b; }

static double pixels_of(const eb_w1a8 *op) { return count(op->window.output_height, op->window.output_width) * op->window.batches; }

static double terms_of(const eb_w1a8 *op) {
  return count(op->window.filter_height, op->window.filter_width) * (op->channels_in / op->groups);
}

double eb_w1a8_cost(const eb_w1a8 *op, const eb_w1a8_kernel *kernel) {
  const cost *c = find(kernel);
  if (c == NULL || op->depthwise) return -1.0;
  const eb_window *w = &op->window;
  const double filled = count(eb_round_up(op->channels_out / op->groups, c->together), op->groups);
  const double inputs = count(w->input_height, w->input_width) * w->batches * op->channels_in, terms = terms_of(op);
  const double read = terms * op->groups * pixels_of(op), staged = inputs < read ? inputs : read;
  const double blocks = filled / c->together / op->groups;
  return (c->input + c->block * blocks) * staged + (c->product * terms + c->output) * pixels_of(op) * filled +
         c->weight * terms * filled;
}

double eb_w1a8_speedup(const eb_w1a8_plan *plan) {
  const eb_w1a8 *op = &plan->op;
  const double ours = eb_w1a8_cost(op, plan->kernel), terms = terms_of(op);
  if (ours < 0.0) return 0.0;
  const cost *c = find(plan->kernel);
  return ((terms + c->int8_output) * pixels_of(op) + c->int8_weight * terms) * op->channels_out / ours;
}
