/* Where 1-bit weights are faster than int8 ones, by costs (int8_costs.h).
 *
 * int8 weights are loaded once for a few pixels, so products cost more where there are few: twice as much for one, as in a
 * dense layer at batch 1. */
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "op_kinds.h"

enum int8_kernels {
  EB_INT8_WIDENING, /* products are widened: AVX2, AVX-512 without VNNI, NEON without dot products */
  EB_INT8_DOT,      /* NEON with dot products */
  EB_INT8_VNNI,
  EB_INT8_VNNI_WIDE /* VNNI on two registers of 512 bits a cycle, twice what Zen 4 does: Zen 5 */
};

typedef struct {
  const char *kernel;
  int int8;
  double input, product, output, int8_output;
} cost;

static const cost costs[] = {
#define EB_W1A8_COST(kernel, int8, source, input, product, output, int8_output) \
  {#kernel, int8, input, product, output, int8_output},
#include "int8_costs.h"
#undef EB_W1A8_COST
};

static const double MARGIN = 1.1; /* by which it must be faster */

static int int8_kernels_here(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  unsigned leaf[4];
  const int avx_vnni = __get_cpuid_count(7, 1, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) && leaf[0] & 1u << 4;
  const int avx512_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  if (avx_vnni && avx512_vnni) return EB_INT8_VNNI_WIDE; /* AVX-VNNI came to AVX-512 processors with that width */
  if (avx_vnni || avx512_vnni) return EB_INT8_VNNI;
#endif
  return eb_cpu_features() & EB_CPU_NEON_DOT ? EB_INT8_DOT : EB_INT8_WIDENING;
}

static double count(int32_t a, int32_t b) { return (double)a * (double)b; }

/* int8's time / ours. */
static double speedup(const cost *c, const eb_w1a8_plan *plan) {
  const eb_w1a8 *op = &plan->op;
  const eb_window *w = &op->window;
  const int32_t tile = plan->kernel->channel_tile, groups = op->groups;
  const int32_t filled = (op->channels_out / groups + tile - 1) / tile * tile * groups;
  const double pixels = count(w->output_height, w->output_width) * w->batches;
  const double inputs = count(w->input_height, w->input_width) * w->batches * op->channels_in;
  const double terms = count(w->filter_height, w->filter_width) * (op->channels_in / groups);
  const double ours = c->input * inputs + (c->product * terms + c->output) * pixels * filled;
  const double theirs = ((1.0 + 1.0 / pixels) * terms + c->int8_output) * pixels * op->channels_out;
  return theirs / ours;
}

bool eb_int8_pays(const eb_op *op) {
  const eb_w1a8_plan *plan = &op->as.w1a8.plan;
  if (plan->op.depthwise) return false; /* depthwise: nothing but smaller */
  const int int8 = int8_kernels_here();
  for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
    if (costs[i].int8 == int8 && strcmp(costs[i].kernel, plan->kernel->name) == 0)
      return speedup(&costs[i], plan) > MARGIN;
  }
  return false;
}
