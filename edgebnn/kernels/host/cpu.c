/* What the running processor can do. */
#if defined(__linux__)
#include <unistd.h>
#if defined(__arm__) || defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "../core/kernels.h"

uint32_t eb_cpu_features(void) {
  uint32_t features = EB_CPU_ANY;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.1")) features |= EB_CPU_SSE41;
  if (__builtin_cpu_supports("avx2")) {
    unsigned leaf[4];
    const unsigned avx_vnni = 1u << 4; /* not known by name to every compiler */
    features |= EB_CPU_AVX2;
    if (__get_cpuid_count(7, 1, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) && leaf[0] & avx_vnni)
      features |= EB_CPU_AVX_VNNI;
  }
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    features |= EB_CPU_AVX512_VPOPCNTDQ;
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    features |= EB_CPU_AVX512_BW;
  if (features & EB_CPU_AVX512_BW && __builtin_cpu_supports("avx512vnni")) features |= EB_CPU_AVX512_VNNI;
  if (features & EB_CPU_AVX2 && __builtin_cpu_supports("fma")) features |= EB_CPU_FMA;
#elif defined(__aarch64__)
  features |= EB_CPU_NEON; /* every AArch64 processor that runs an operating system has it */
#if defined(__APPLE__)
  features |= EB_CPU_NEON_DOT; /* and this too every one that runs macOS */
#elif defined(__linux__)
  const unsigned long dot_products = 1ul << 20; /* HWCAP_ASIMDDP, in the kernel's asm/hwcap.h */
  if (getauxval(AT_HWCAP) & dot_products) features |= EB_CPU_NEON_DOT;
#endif
#elif defined(__arm__) && defined(__linux__)
  const unsigned long neon = 1ul << 12; /* HWCAP_NEON, in the kernel's asm/hwcap.h */
  if (getauxval(AT_HWCAP) & neon) features |= EB_CPU_NEON;
#endif
  return features;
}

int32_t eb_cpu_int8_arithmetic(void) {
#if defined(__x86_64__) || defined(__i386__)
  unsigned leaf[4];
  const unsigned amx_tiles = 1u << 24, amx_int8 = 1u << 25, avx_vnni = 1u << 4;
  __builtin_cpu_init();
  const int avx512_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  if (avx512_vnni && __get_cpuid_count(7, 0, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) &&
      (~leaf[3] & (amx_tiles | amx_int8)) == 0)
    return EB_INT8_AMX;
  const int narrow_vnni = __get_cpuid_count(7, 1, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) && leaf[0] & avx_vnni;
  if (narrow_vnni && avx512_vnni) return EB_INT8_VNNI_WIDE; /* AVX-VNNI came to AVX-512 processors with that width */
  if (narrow_vnni || avx512_vnni) return EB_INT8_VNNI;
  if (eb_cpu_features() & EB_CPU_AVX512_BW) return EB_INT8_WIDENING_WIDE;
#endif
  return eb_cpu_features() & EB_CPU_NEON_DOT ? EB_INT8_DOT : EB_INT8_WIDENING;
}

/* What the system says, or what is likely. */
static size_t cache_bytes(long said, size_t likely) { return said > 0 ? (size_t)said : likely; }

eb_cpu_caches eb_cpu_caches_read(void) {
  long level1 = 0, level2 = 0;
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
  level1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  level2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  return (eb_cpu_caches){cache_bytes(level1, 32 * 1024), cache_bytes(level2, 256 * 1024)};
}
