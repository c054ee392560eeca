/* Rows with AVX2. */
#include "../core/rows_define.h"

#if defined(__x86_64__)
EB_ROWS_DEFINE(avx2, EB_CPU_AVX2)
#endif
