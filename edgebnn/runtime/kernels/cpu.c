/* What the running processor can do. */
#include "kernels.h"

uint32_t eb_cpu_features(void) {
  uint32_t features = EB_CPU_ANY;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) features |= EB_CPU_AVX2;
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    features |= EB_CPU_AVX512_VPOPCNTDQ;
#elif defined(__ARM_NEON)
  features |= EB_CPU_NEON; /* the whole library is compiled for it */
#endif
  return features;
}
