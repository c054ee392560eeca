/* Layers of generated packages, see package.h: plan, prepare and run of kernels.h and w1a8.h on one thread. */
#include "package.h"

#include <stdlib.h>

#include "../core/numbers.h"

/* Memory at a multiple of EB_ALIGNMENT that is never given back; NULL if there is none. */
static void *kept(size_t bytes) {
  const size_t most = (size_t)-1 - 2 * EB_ALIGNMENT;
  if (bytes > most) return NULL;
  char *memory = malloc(bytes + EB_ALIGNMENT);
  if (memory == NULL) return NULL;
  return memory + (EB_ALIGNMENT - (uintptr_t)memory % EB_ALIGNMENT);
}

int eb_package_bconv2d_prepare(const eb_package_bconv2d_layer *layer) {
  eb_package_bconv2d_state *state = layer->state;
  if (eb_bconv2d_plan_make(&layer->op, NULL, eb_cpu_features(), &state->plan) != EB_OK) return -1;
  if (state->persistent == NULL) state->persistent = kept(state->plan.persistent_bytes);
  if (state->scratch == NULL) state->scratch = kept(state->plan.scratch_bytes);
  if (state->persistent == NULL || state->scratch == NULL) return -1;
  eb_bconv2d_prepare(&state->plan, layer->filter, layer->multiplier, layer->bias, layer->threshold,
                     state->persistent);
  return 0;
}

void eb_package_bconv2d(const eb_package_bconv2d_layer *layer, const int32_t *input, void *output) {
  const eb_package_bconv2d_state *state = layer->state;
  eb_bconv2d_run(&state->plan, state->persistent, input, NULL, output, 0, state->plan.tiles, state->scratch);
}

int eb_package_w1a8_prepare(const eb_package_w1a8_layer *layer) {
  eb_package_w1a8_state *state = layer->state;
  if (eb_w1a8_plan_make(&layer->op, NULL, eb_cpu_features(), &state->plan) != EB_OK) return -1;
  if (state->persistent == NULL) state->persistent = kept(state->plan.persistent_bytes);
  if (state->scratch == NULL) state->scratch = kept(state->plan.scratch_bytes);
  if (state->persistent == NULL || state->scratch == NULL) return -1;
  const eb_w1a8_constants constants = {layer->filter, layer->magnitude, layer->bias, layer->factor};
  return eb_w1a8_prepare(&state->plan, &constants, state->persistent) == EB_OK ? 0 : -1;
}

void eb_package_w1a8(const eb_package_w1a8_layer *layer, const int8_t *input, int8_t *output) {
  const eb_package_w1a8_state *state = layer->state;
  eb_w1a8_run(&state->plan, state->persistent, input, NULL, output, 0, state->plan.tiles, state->scratch);
}
