/* Where our kernels for convolutions of few input channels are faster than the interpreter's. */
#include "op_kinds.h"

bool eb_conv_few_pays(const eb_conv2d_few_plan *plan) { return plan->kernel->cpu_features != EB_CPU_ANY; }
