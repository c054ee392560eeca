/* W1A8 layers of generated packages, see package.h: plan, prepare and run of w1a8.h on one thread. */
#include "package.h"

int eb_package_w1a8_prepare(const eb_package_w1a8_layer *layer) {
  eb_package_w1a8_state *state = layer->state;
  eb_w1a8_plan *plan = &state->plan;
  if (eb_w1a8_plan_make(&layer->op, NULL, eb_cpu_features(), plan) != EB_OK) return -1;
  if (!eb_package_has_memory(&state->memory, plan->persistent_bytes, plan->scratch_bytes)) return -1;
  const eb_w1a8_constants constants = {layer->filter, layer->magnitude, layer->bias, layer->factor};
  return eb_w1a8_prepare(plan, &constants, state->memory.persistent) == EB_OK ? 0 : -1;
}

void eb_package_w1a8(const eb_package_w1a8_layer *layer, const int8_t *input, int8_t *output) {
  const eb_package_w1a8_state *state = layer->state;
  const eb_package_memory *memory = &state->memory;
  eb_w1a8_run(&state->plan, memory->persistent, input, NULL, output, 0, state->plan.tiles, memory->scratch);
}
