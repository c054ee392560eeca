#include "resize_bilinear.h"

enum { EB_ONE = 1 << 10 };

/* Of 20 bits of fraction; halves away from zero. Below 2**30: shares lie between -1 and 2. */
static int8_t rounded(int32_t sum) {
  const int32_t half = 1 << 19;
  return (int8_t)(sum < 0 ? -((half - sum) >> 20) : (half + sum) >> 20);
}

void eb_resize_bilinear_int8(const eb_resize_bilinear_layer *l, const int8_t *input, int8_t *output) {
  const int32_t row = l->input_width * l->channels;
  for (int32_t n = 0; n < l->batches; n++, input += l->input_height * row) {
    for (int32_t y = 0; y < l->output_height; y++) {
      const int8_t *below = input + l->rows[2 * y] * row, *above = input + l->rows[2 * y + 1] * row;
      const int32_t dy = l->row_shares[y];
      for (int32_t x = 0; x < l->output_width; x++) {
        const int32_t left = l->columns[2 * x] * l->channels, right = l->columns[2 * x + 1] * l->channels;
        const int32_t dx = l->column_shares[x];
        for (int32_t c = 0; c < l->channels; c++) {
          const int32_t first = below[left + c] * (EB_ONE - dy) + above[left + c] * dy;
          const int32_t second = below[right + c] * (EB_ONE - dy) + above[right + c] * dy;
          *output++ = rounded(first * (EB_ONE - dx) + second * dx);
        }
      }
    }
  }
}
