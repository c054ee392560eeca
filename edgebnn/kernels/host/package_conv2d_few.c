/* int8 convolutions of generated packages, see package.h: plan, prepare and run of conv2d_few.h on one thread. */
#include "package.h"

int eb_package_conv2d_few_prepare(const eb_package_conv2d_few_layer *layer) {
  eb_package_conv2d_few_state *state = layer->state;
  eb_conv2d_few_plan *plan = &state->plan;
  if (eb_conv2d_few_plan_make(&layer->op, NULL, eb_cpu_features(), plan) != EB_OK) return -1;
  if (!eb_package_has_memory(&state->memory, plan->persistent_bytes, plan->scratch_bytes)) return -1;
  const eb_conv2d_few_constants constants = {layer->filter, layer->bias, layer->factor};
  return eb_conv2d_few_prepare(plan, &constants, state->memory.persistent) == EB_OK ? 0 : -1;
}

void eb_package_conv2d_few(const eb_package_conv2d_few_layer *layer, const int8_t *input, int8_t *output) {
  const eb_package_conv2d_few_state *state = layer->state;
  const eb_package_memory *memory = &state->memory;
  eb_conv2d_few_run(&state->plan, memory->persistent, input, output, 0, state->plan.tiles, memory->scratch);
}
