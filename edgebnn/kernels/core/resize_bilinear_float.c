#include "resize_bilinear.h"

void eb_resize_bilinear_float(const eb_resize_bilinear_layer *l, const float *input, float *output) {
  const int32_t row = l->input_width * l->channels;
  for (int32_t n = 0; n < l->batches; n++, input += l->input_height * row) {
    for (int32_t y = 0; y < l->output_height; y++) {
      const float *below = input + l->rows[2 * y] * row, *above = input + l->rows[2 * y + 1] * row;
      const float dy = l->row_fractions[y];
      for (int32_t x = 0; x < l->output_width; x++) {
        const int32_t left = l->columns[2 * x] * l->channels, right = l->columns[2 * x + 1] * l->channels;
        const float dx = l->column_fractions[x];
        for (int32_t c = 0; c < l->channels; c++) {
          const float first = below[left + c] * (1.0f - dy) * (1.0f - dx) + above[left + c] * dy * (1.0f - dx);
          *output++ = first + below[right + c] * (1.0f - dy) * dx + above[right + c] * dy * dx;
        }
      }
    }
  }
}
