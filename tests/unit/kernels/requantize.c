/* core/requantize.h as functions, for test_requantize.py. */
#include "requantize.h"

void exercise_requantize(const int32_t *x, const int32_t *multiplier, const int32_t *shift, int32_t count, int32_t *out);

/* out: [5][count], one row a function. */
void exercise_requantize(const int32_t *x, const int32_t *multiplier, const int32_t *shift, int32_t count, int32_t *out) {
  for (int32_t i = 0; i < count; i++) {
    out[i] = eb_high_mul(x[i], multiplier[i]);
    out[count + i] = eb_high_mul_halves(x[i], multiplier[i]);
    out[2 * count + i] = eb_high_mul_narrow(x[i], multiplier[i]);
    out[3 * count + i] = eb_requantize(x[i], multiplier[i], shift[i]);
    out[4 * count + i] = eb_requantize_narrow(x[i], multiplier[i], shift[i]);
  }
}
