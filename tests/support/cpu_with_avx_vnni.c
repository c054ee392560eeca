/* In place of cpu.c: the processor says that it has AVX-VNNI. */
#include "kernels.h"

uint32_t eb_cpu_features(void) { return EB_CPU_SSE41 | EB_CPU_AVX2 | EB_CPU_AVX_VNNI; }

eb_cpu_caches eb_cpu_caches_read(void) { return (eb_cpu_caches){32 * 1024, 256 * 1024}; }

int32_t eb_cpu_int8_arithmetic(void) { return EB_INT8_VNNI; }
