/* Rows with AVX-512. */
#include "../core/rows_define.h"

#if defined(__x86_64__)
EB_ROWS_DEFINE(avx512, EB_CPU_AVX512_BW)
#endif
