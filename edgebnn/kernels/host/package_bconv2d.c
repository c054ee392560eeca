/* Binary convolutions of generated packages, see package.h: plan, prepare and run of kernels.h on one thread. */
#include "package.h"

int eb_package_bconv2d_prepare(const eb_package_bconv2d_layer *layer) {
  eb_package_bconv2d_state *state = layer->state;
  eb_bconv2d_plan *plan = &state->plan;
  if (eb_bconv2d_plan_make(&layer->op, NULL, eb_cpu_features(), plan) != EB_OK) return -1;
  if (!eb_package_has_memory(&state->memory, plan->persistent_bytes, plan->scratch_bytes)) return -1;
  eb_bconv2d_prepare(plan, layer->filter, layer->multiplier, layer->bias, layer->threshold, state->memory.persistent);
  return 0;
}

void eb_package_bconv2d(const eb_package_bconv2d_layer *layer, const int32_t *input, void *output) {
  const eb_package_bconv2d_state *state = layer->state;
  const eb_package_memory *memory = &state->memory;
  eb_bconv2d_run(&state->plan, memory->persistent, input, NULL, output, 0, state->plan.tiles, memory->scratch);
}
