/* From popcount sums to output values: the last step of every kernel, compiled with the kernel's own flags.
 *
 * 1. Of K bits of a window and K of a filter, accum differ: each pair of equal signs adds +1 to the dot product, and each pair
 *    of different ones -1, so that
 *        dot = (K - accum) - accum = K - 2 * accum.
 *    Kernels count x = 2 * accum, so dot = K - x, an integer in [-K, K].
 * 2. What the file asks for, with an activation that clamps to [low, high], is
 *        y = clamp(dot, low, high) * m + b,
 *    and with int8 output y / scale + zero_point, rounded and saturated.
 * 3. dot grows as x falls, so that clamping dot to [low, high] is clamping x to [K - high, K - low]. Where there is no
 *    activation nothing is clamped.
 * 4. With c = clamp(x, K - high, K - low), clamp(dot, low, high) = K - c, and
 *        y = (K - c) * m + b = c * (-m) + (b + K * m)
 *        y / scale + zero_point = c * (-m / scale) + ((b + K * m) / scale + zero_point).
 *    Both factors belong to the channel. They are computed in double once and rounded to float (bconv2d_prepare.c); per output
 *    there remain a conversion of c, a multiplication and an addition in float, each rounded: LCE's operations in LCE's
 *    order, which is why nothing here may be contracted to a fused multiply-add.
 * 5. Rounding to int8 is to nearest, halves away from zero, after y was clamped to [-128, 127].
 * 6. Packed output holds whether accum > threshold, which is x > 2 * threshold: the thresholds come doubled.
 * 7. SAME padding with zeros has no packed value. Taps in the padding are computed as if they were +1 and so add the sum of
 *    their weights, p, to the dot product: too much. dot - p = K - (x + p), so that adding p to x takes it back, before
 *    everything else. For float output without activation LCE takes it back last instead: p times -m is added to y.
 * 8. Then come the steps of kernels.h (steps.h), on float or int8 output.
 */
#ifndef EDGEBNN_OUTPUT_TRANSFORM_H
#define EDGEBNN_OUTPUT_TRANSFORM_H

#include "bconv2d_block.h"
#include "steps.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* The activation. LCE clamps the integer before it becomes a float; as rounding keeps the order, this is the same. */
EB_INLINE float eb_clamp(float y, float low, float high) {
#if defined(__aarch64__)
  return __builtin_fmaxf(__builtin_fminf(y, high), low); /* two instructions; NaN becomes `high` here too */
#else
  y = y < high ? y : high;
  return y > low ? y : low;
#endif
}

/* y = float(clamp(x)) * multiplier + bias. */
EB_INLINE void eb_output_float(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t channels,
                               float *restrict output) {
  const float *restrict multiplier = b->multiplier, *restrict bias = b->bias;
  const float low = b->clamp_min, high = b->clamp_max;
  if (b->clamps) {
    for (int32_t c = 0; c < channels; c++) {
      output[c] = eb_clamp((float)x[c], low, high) * multiplier[c] + bias[c];
    }
  } else {
    for (int32_t c = 0; c < channels; c++) output[c] = (float)x[c] * multiplier[c] + bias[c];
  }
}

/* Rounding is to nearest, halves away from zero: what is added is the greatest number below one half, so that only what
 * lies at a half or beyond reaches the next integer (0.5f itself would carry 0.49999997f there). */
EB_INLINE int8_t eb_round(float y) { return (int8_t)(int32_t)(y + __builtin_copysignf(0x1.fffffep-2f, y)); }

/* With vectors, of rows of `lanes` sums, of pixels from `first` of the block on: as many channels as there are whole vectors;
 * returns their number. The constants of a vector are loaded once for all rows. What is too small for an int32 becomes the
 * least one, which saturates as well. `steps` are done in the vector's registers. */
#if defined(__AVX512F__)
/* A sum's constants, loaded once: stores of bytes may be of anything, so that a compiler would load them again and again. */
typedef struct {
  __m512i first, second, addend, low, high;
  __m128i shift;
} eb_sum_constants;

EB_INLINE eb_sum_constants eb_load_sum(const eb_int8_sum *s) {
  return (eb_sum_constants){_mm512_set1_epi32(s->first_factor), _mm512_set1_epi32(s->second_factor),
                            _mm512_set1_epi32(s->addend),       _mm512_set1_epi32(s->low),
                            _mm512_set1_epi32(s->high),         _mm_cvtsi32_si128(s->shift)};
}

/* A step of a row of 16 channels: what it adds to 8-bit values in 32 bits. */
EB_INLINE __m512i eb_sum_sixteen(const eb_step *s, const eb_sum_constants *sum, int64_t row, int32_t channel, __m512i y) {
  const int8_t *from = (const int8_t *)s->operand + eb_step_at(s, row) + channel;
  const __m512i x = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
  const __m512i first = _mm512_mullo_epi32(y, sum->first), second = _mm512_mullo_epi32(x, sum->second);
  y = _mm512_sra_epi32(_mm512_add_epi32(_mm512_add_epi32(first, second), sum->addend), sum->shift);
  return _mm512_min_epi32(_mm512_max_epi32(y, sum->low), sum->high);
}

/* The steps of a row of 16 channels. first: constants of the first, if that is a sum; else NULL. */
EB_INLINE __m512i eb_steps_sixteen(const eb_output_steps *steps, const eb_sum_constants *first, int64_t row,
                                   int32_t channel, __m512i y) {
  if (first != NULL) y = eb_sum_sixteen(&steps->step[0], first, row, channel, y);
  for (int32_t i = first != NULL; i < steps->count; i++) {
    const eb_step *s = &steps->step[i];
    if (s->kind == EB_STEP_SCALE) {
      y = eb_step_scale_16(s->scale, (const int32_t *)s->operand + eb_step_at(s, row) + channel, y);
    } else {
      const eb_sum_constants more = eb_load_sum(s->sum);
      y = eb_sum_sixteen(s, &more, row, channel, y);
    }
  }
  return y;
}

EB_INLINE int32_t eb_output_int8_vectors(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes,
                                         int32_t first, int32_t rows, int32_t channels, const eb_output_steps *steps,
                                         int8_t *output) {
  const size_t stride = b->output_stride;
  const __m512 low = _mm512_set1_ps(b->clamp_min), high = _mm512_set1_ps(b->clamp_max);
  const __m512 half = _mm512_set1_ps(0x1.fffffep-2f), most = _mm512_set1_ps(127.0f);
  const __m512i sign = _mm512_set1_epi32(INT32_MIN);
  static const eb_int8_sum none = {0};
  const int sums = steps != NULL && steps->step[0].kind == EB_STEP_SUM;
  const eb_sum_constants constants = eb_load_sum(sums ? steps->step[0].sum : &none);
  int32_t c = 0;
  for (; c + 16 <= channels; c += 16) {
    const __m512 multiplier = _mm512_loadu_ps(b->multiplier + c), bias = _mm512_loadu_ps(b->bias + c);
    for (int32_t r = 0; r < rows; r++) {
      __m512 y = _mm512_cvtepi32_ps(_mm512_loadu_si512(x + r * lanes + c));
      if (b->clamps) y = _mm512_max_ps(_mm512_min_ps(y, high), low);
      y = _mm512_min_ps(_mm512_add_ps(_mm512_mul_ps(y, multiplier), bias), most);
      /* y's bit where `sign` has one, else half's */
      const __m512i away = _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(y), _mm512_castps_si512(half), 0xca);
      __m512i rounded = _mm512_cvttps_epi32(_mm512_add_ps(y, _mm512_castsi512_ps(away)));
      if (steps != NULL) {
        rounded = _mm512_max_epi32(rounded, _mm512_set1_epi32(-128));
        rounded = eb_steps_sixteen(steps, sums ? &constants : NULL, b->first_pixel + first + r, b->first_channel + c, rounded);
      }
      _mm_storeu_si128((__m128i *)(void *)(output + (size_t)r * stride + c), _mm512_cvtsepi32_epi8(rounded));
    }
  }
  return c;
}
#elif defined(__AVX2__)
/* The steps of a row of 8 channels, of 8-bit values in 32 bits. */
EB_INLINE __m256i eb_steps_eight(const eb_output_steps *steps, int64_t row, int32_t channel, __m256i y) {
  for (int32_t i = 0; i < steps->count; i++) {
    const eb_step *s = &steps->step[i];
    if (s->kind == EB_STEP_SCALE) {
      y = eb_step_scale_8(s->scale, (const int32_t *)s->operand + eb_step_at(s, row) + channel, y);
      continue;
    }
    const int8_t *from = (const int8_t *)s->operand + eb_step_at(s, row) + channel;
    const __m256i x = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
    const __m256i first = _mm256_mullo_epi32(y, _mm256_set1_epi32(s->sum->first_factor));
    const __m256i second = _mm256_mullo_epi32(x, _mm256_set1_epi32(s->sum->second_factor));
    const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(first, second), _mm256_set1_epi32(s->sum->addend));
    y = _mm256_sra_epi32(sum, _mm_cvtsi32_si128(s->sum->shift));
    y = _mm256_min_epi32(_mm256_max_epi32(y, _mm256_set1_epi32(s->sum->low)), _mm256_set1_epi32(s->sum->high));
  }
  return y;
}

EB_INLINE int32_t eb_output_int8_vectors(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes,
                                         int32_t first, int32_t rows, int32_t channels, const eb_output_steps *steps,
                                         int8_t *output) {
  const size_t stride = b->output_stride;
  const __m256 low = _mm256_set1_ps(b->clamp_min), high = _mm256_set1_ps(b->clamp_max);
  const __m256 half = _mm256_set1_ps(0x1.fffffep-2f), most = _mm256_set1_ps(127.0f);
  const __m256 sign = _mm256_set1_ps(-0.0f);
  int32_t c = 0;
  for (; c + 8 <= channels; c += 8) {
    const __m256 multiplier = _mm256_loadu_ps(b->multiplier + c), bias = _mm256_loadu_ps(b->bias + c);
    for (int32_t r = 0; r < rows; r++) {
      __m256 y = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)(x + r * lanes + c)));
      if (b->clamps) y = _mm256_max_ps(_mm256_min_ps(y, high), low);
      y = _mm256_min_ps(_mm256_add_ps(_mm256_mul_ps(y, multiplier), bias), most);
      const __m256 away = _mm256_or_ps(_mm256_and_ps(y, sign), half);
      __m256i rounded = _mm256_cvttps_epi32(_mm256_add_ps(y, away));
      if (steps != NULL) {
        rounded = _mm256_max_epi32(rounded, _mm256_set1_epi32(-128));
        rounded = eb_steps_eight(steps, b->first_pixel + first + r, b->first_channel + c, rounded);
      }
      const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
      _mm_storel_epi64((__m128i *)(void *)(output + (size_t)r * stride + c), _mm_packs_epi16(words, words));
    }
  }
  return c;
}
#elif defined(__aarch64__) && defined(__ARM_NEON)
/* The constants of sixteen channels, and the activation. */
typedef struct {
  float32x4_t multiplier[4], bias[4], low, high;
} eb_affine_sixteen;

EB_INLINE eb_affine_sixteen eb_load_affine(const eb_bconv2d_block *b, int32_t channel) {
  eb_affine_sixteen a = {.low = vdupq_n_f32(b->clamp_min), .high = vdupq_n_f32(b->clamp_max)};
  for (int i = 0; i < 4; i++) {
    a.multiplier[i] = vld1q_f32(b->multiplier + channel + 4 * i);
    a.bias[i] = vld1q_f32(b->bias + channel + 4 * i);
  }
  return a;
}

EB_INLINE float32x4_t eb_affine_four(const int32_t *x, const eb_affine_sixteen *a, int four, int clamps) {
  float32x4_t y = vcvtq_f32_s32(vld1q_s32(x + 4 * four));
  if (clamps) y = vmaxnmq_f32(vminnmq_f32(y, a->high), a->low);
  return vaddq_f32(vmulq_f32(y, a->multiplier[four]), a->bias[four]);
}

EB_INLINE int32x4_t eb_round_four(const int32_t *x, const eb_affine_sixteen *a, int four, int clamps) {
  return vcvtaq_s32_f32(vminnmq_f32(eb_affine_four(x, a, four, clamps), vdupq_n_f32(127.0f)));
}

/* Four times four values, saturated. */
EB_INLINE int8x16_t eb_narrow_sixteen(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  const int16x8_t low = vqmovn_high_s32(vqmovn_s32(a), b), high = vqmovn_high_s32(vqmovn_s32(c), d);
  return vqmovn_high_s16(vqmovn_s16(low), high);
}

EB_INLINE int8x16_t eb_round_sixteen(const int32_t *x, const eb_affine_sixteen *a, int clamps) {
  return eb_narrow_sixteen(eb_round_four(x, a, 0, clamps), eb_round_four(x, a, 1, clamps),
                           eb_round_four(x, a, 2, clamps), eb_round_four(x, a, 3, clamps));
}

EB_INLINE int32_t eb_round_all(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes, int32_t rows,
                               int32_t channels, int clamps, int8_t *restrict output, size_t stride) {
  int32_t c = 0;
#pragma GCC unroll 2
  for (; c + 16 <= channels; c += 16) {
    const eb_affine_sixteen a = eb_load_affine(b, c);
    int8_t *to = output + c;
#pragma GCC unroll 4
    for (int32_t r = 0; r < rows; r++, to += stride) vst1q_s8(to, eb_round_sixteen(x + r * lanes + c, &a, clamps));
  }
  return c;
}

/* A sum's constants, loaded once: stores of bytes may be of anything, so that a compiler would load them again and again. */
typedef struct {
  int32x4_t first, second, addend, shift;
  int8x16_t low, high;
} eb_sum_constants;

EB_INLINE eb_sum_constants eb_load_sum(const eb_int8_sum *s) {
  return (eb_sum_constants){vdupq_n_s32(s->first_factor), vdupq_n_s32(s->second_factor),
                            vdupq_n_s32(s->addend),       vdupq_n_s32(-s->shift),
                            vdupq_n_s8((int8_t)s->low),   vdupq_n_s8((int8_t)s->high)};
}

EB_INLINE int32x4_t eb_sum_four(const eb_sum_constants *s, int16x4_t x, int32x4_t y) {
  const int32x4_t first = vmlaq_s32(s->addend, y, s->first);
  return vshlq_s32(vmlaq_s32(first, vmovl_s16(x), s->second), s->shift);
}

/* A step of 16 channels: x is added to 8-bit values in 32 bits. Narrowing saturates at the bounds or beyond them. */
EB_INLINE int8x16_t eb_sum_sixteen(const eb_sum_constants *s, const int8_t *x, const int32x4_t *y) {
  const int8x16_t all = vld1q_s8(x);
  const int16x8_t a = vmovl_s8(vget_low_s8(all)), b = vmovl_high_s8(all);
  const int8x16_t sums =
      eb_narrow_sixteen(eb_sum_four(s, vget_low_s16(a), y[0]), eb_sum_four(s, vget_high_s16(a), y[1]),
                        eb_sum_four(s, vget_low_s16(b), y[2]), eb_sum_four(s, vget_high_s16(b), y[3]));
  return vminq_s8(vmaxq_s8(sums, s->low), s->high);
}

/* The steps behind the first. row, channel: of the operands. */
EB_INLINE int8x16_t eb_more_sums(const eb_output_steps *steps, int64_t row, int32_t channel, int8x16_t y) {
  for (int32_t i = 1; i < steps->count; i++) {
    const eb_sum_constants sum = eb_load_sum(steps->step[i].sum);
    const int16x8_t a = vmovl_s8(vget_low_s8(y)), b = vmovl_high_s8(y);
    const int32x4_t wide[] = {vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a), vmovl_s16(vget_low_s16(b)),
                              vmovl_high_s16(b)};
    y = eb_sum_sixteen(&sum, (const int8_t *)steps->step[i].operand + eb_step_at(&steps->step[i], row) + channel, wide);
  }
  return y;
}

EB_INLINE int32_t eb_sum_all(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes, int32_t first,
                             int32_t rows, int32_t channels, int clamps, const eb_output_steps *steps, int8_t *output,
                             size_t stride) {
  const eb_step step = steps->step[0];
  const eb_sum_constants sum = eb_load_sum(step.sum);
  const int64_t from = b->first_pixel + first;
  const int8_t *added = (const int8_t *)step.operand + eb_step_at(&step, from) + b->first_channel;
  int32_t c = 0;
  for (; c + 16 <= channels; c += 16) {
    const eb_affine_sixteen a = eb_load_affine(b, c);
#pragma GCC unroll 4
    for (int32_t r = 0; r < rows; r++) {
      int32x4_t y[4];
      for (int i = 0; i < 4; i++) {
        y[i] = vmaxq_s32(eb_round_four(x + r * lanes + c, &a, i, clamps), vdupq_n_s32(-128));
      }
      int8x16_t sums = eb_sum_sixteen(&sum, added + (size_t)r * step.stride + c, y);
      if (steps->count > 1) sums = eb_more_sums(steps, from + r, b->first_channel + c, sums);
      vst1q_s8(output + (size_t)r * stride + c, sums);
    }
  }
  return c;
}

EB_INLINE int32_t eb_output_int8_vectors(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes,
                                         int32_t first, int32_t rows, int32_t channels, const eb_output_steps *steps,
                                         int8_t *output) {
  const size_t stride = b->output_stride;
  if (!__builtin_constant_p(channels)) return 0; /* tiles of less than 16 channels: gcc would warn */
  if (steps != NULL) {
    if (!eb_step_is_even(&steps->step[0]) || !eb_steps_only_add(steps)) return 0;
    return b->clamps ? eb_sum_all(b, x, lanes, first, rows, channels, 1, steps, output, stride)
                     : eb_sum_all(b, x, lanes, first, rows, channels, 0, steps, output, stride);
  }
  return b->clamps ? eb_round_all(b, x, lanes, rows, channels, 1, output, stride)
                   : eb_round_all(b, x, lanes, rows, channels, 0, output, stride);
}
#else
EB_INLINE int32_t eb_output_int8_vectors(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes,
                                         int32_t first, int32_t rows, int32_t channels, const eb_output_steps *steps,
                                         int8_t *output) {
  (void)b, (void)x, (void)lanes, (void)first, (void)rows, (void)channels, (void)steps, (void)output;
  return 0; /* the compiler does as well */
}
#endif

/* A row without its steps, which vectors did not do, from channel `done` on; returns how far. */
EB_INLINE int32_t eb_round_row(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes, int32_t first,
                               int32_t channels, int32_t done, int8_t *row) {
#if defined(__aarch64__) && defined(__ARM_NEON)
  if (done == 0 && b->steps != NULL) return eb_output_int8_vectors(b, x, lanes, first, 1, channels, NULL, row);
#else
  (void)b, (void)x, (void)lanes, (void)first, (void)channels, (void)row;
#endif
  return done;
}

/* The same y, rounded and saturated, with the steps, of rows of `lanes` sums. The output may lie where an operand does. */
EB_INLINE void eb_output_int8(const eb_bconv2d_block *b, int32_t first, int32_t rows, const int32_t *restrict x,
                              int32_t lanes, int32_t channels) {
  const float *restrict multiplier = b->multiplier, *restrict bias = b->bias;
  const float low = b->clamp_min, high = b->clamp_max;
  const eb_output_steps *steps = b->steps != NULL && b->steps->count > 0 ? b->steps : NULL;
  int8_t *output = (int8_t *)b->output + (size_t)first * b->output_stride;
  const int32_t done = eb_output_int8_vectors(b, x, lanes, first, rows, channels, steps, output);
  for (int32_t r = 0; r < rows && done < channels; r++, x += lanes, output += b->output_stride) {
    int8_t row[EB_MOST_CHANNEL_TILE];
    for (int32_t c = eb_round_row(b, x, lanes, first, channels, done, row); c < channels; c++) {
      const float y = eb_clamp((float)x[c], low, high) * multiplier[c] + bias[c];
      row[c] = eb_round(eb_clamp(y, -128.0f, 127.0f));
    }
    if (steps != NULL)
      eb_apply_int8_steps(steps, b->first_pixel + first + r, b->first_channel + done, channels - done, row + done);
    memcpy(output + done, row + done, (size_t)(channels - done));
  }
}

#if defined(__aarch64__) && defined(__ARM_NEON)
/* Bits of 8 channels as 0 or -1. */
EB_INLINE uint16x8_t eb_exceeds_eight(const int32_t *x, const int32_t *threshold) {
  const uint32x4_t low = vcgtq_s32(vld1q_s32(x), vld1q_s32(threshold));
  const uint32x4_t high = vcgtq_s32(vld1q_s32(x + 4), vld1q_s32(threshold + 4));
  return vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

/* Of 32 channels: bytes of 0 or -1 become their bits, and those of 8 bytes are summed. */
EB_INLINE uint32_t eb_output_word(const int32_t *x, const int32_t *threshold) {
  const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
  uint8x16_t half[2];
  for (int32_t i = 0; i < 2; i++, x += 16, threshold += 16) {
    const uint16x8_t low = eb_exceeds_eight(x, threshold), high = eb_exceeds_eight(x + 8, threshold + 8);
    half[i] = vandq_u8(vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)), bit);
  }
  uint8x16_t sums = vpaddq_u8(half[0], half[1]);
  sums = vpaddq_u8(sums, sums);
  sums = vpaddq_u8(sums, sums);
  return vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0);
}
#endif

/* Bit c of the result: x[c] > 2 * threshold[c], for at most 32 channels. The thresholds come doubled. */
EB_INLINE uint32_t eb_output_bits(const int32_t *restrict x, int32_t channels, const int32_t *restrict threshold) {
  static const uint32_t bit[32] = {
      1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,  1u << 8,  1u << 9,  1u << 10,
      1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15, 1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21,
      1u << 22, 1u << 23, 1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};
  uint32_t bits = 0;
#if defined(__aarch64__) && defined(__ARM_NEON)
  if (__builtin_constant_p(channels) && channels == 32) return eb_output_word(x, threshold);
#endif
  for (int32_t c = 0; c < channels; c++) bits |= -(uint32_t)(x[c] > threshold[c]) & bit[c];
  return bits;
}

/* Bits from first_bit on, over as many words as they need. Lower bits of the first word are there already. */
EB_INLINE void eb_output_packed(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t channels,
                                int32_t *restrict output) {
  for (int32_t c = 0; c < channels; c += 32, output++) {
    const int32_t some = channels - c < 32 ? channels - c : 32;
    const uint64_t bits = (uint64_t)eb_output_bits(x + c, some, b->threshold + c) << b->first_bit;
    output[0] = (int32_t)(b->first_bit == 0 ? (uint32_t)bits : (uint32_t)output[0] | (uint32_t)bits);
    if (b->first_bit + some > 32) output[1] = (int32_t)(bits >> 32);
  }
}

/* What zero padding takes back, as LCE does for plain float output: from the result, not from the sums. */
EB_INLINE void eb_unpad_float(const eb_bconv2d_block *b, const int32_t *restrict padding, int32_t channels,
                              float *restrict y) {
  for (int32_t c = 0; c < channels; c++) y[c] += b->multiplier[c] * (float)padding[c];
}

/* One pixel, with the steps. The output may lie where an operand does. */
EB_INLINE void eb_write_stepped(const eb_bconv2d_block *b, const int32_t *restrict x, const int32_t *padding,
                                int32_t pixel, int32_t channels, float *output) {
  float y[EB_MOST_CHANNEL_TILE];
  eb_output_float(b, x, channels, y);
  if (padding != NULL) eb_unpad_float(b, padding, channels, y);
  eb_apply_steps(b->steps, pixel, b->first_channel, channels, y);
  memcpy(output, y, (size_t)channels * sizeof(float));
}

#if defined(__aarch64__) && defined(__ARM_NEON)
/* What is added, from the first row on, a row `stride` behind the other, and the bounds of the sum. */
typedef struct {
  const float *added;
  size_t stride;
  float32x4_t low, high;
} eb_float_sum;

enum { EB_FLOATS_ALONE, EB_FLOATS_ADDED, EB_FLOATS_BOUNDED };

EB_INLINE float32x4_t eb_bound_four(const eb_float_sum *s, float32x4_t y) {
  y = vbslq_f32(vcltq_f32(y, s->low), s->low, y);
  return vbslq_f32(vcgtq_f32(y, s->high), s->high, y);
}

/* clamps, what: constants. */
EB_INLINE void eb_write_float_rows(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes, int32_t rows,
                                   int32_t channels, int clamps, int what, const eb_float_sum *sum, float *output) {
  const size_t stride = b->output_stride;
  for (int32_t c = 0; c + 16 <= channels; c += 16) {
    const eb_affine_sixteen a = eb_load_affine(b, c);
#pragma GCC unroll 4
    for (int32_t r = 0; r < rows; r++) {
      float32x4_t y[4];
      for (int i = 0; i < 4; i++) {
        y[i] = eb_affine_four(x + r * lanes + c, &a, i, clamps);
        if (what >= EB_FLOATS_ADDED) y[i] = vaddq_f32(y[i], vld1q_f32(sum->added + (size_t)r * sum->stride + c + 4 * i));
        if (what == EB_FLOATS_BOUNDED) y[i] = eb_bound_four(sum, y[i]);
      }
      for (int i = 0; i < 4; i++) vst1q_f32(output + (size_t)r * stride + c + 4 * i, y[i]);
    }
  }
}

EB_INLINE void eb_write_clamped_rows(const eb_bconv2d_block *b, const int32_t *restrict x, int32_t lanes, int32_t rows,
                                     int32_t channels, int what, const eb_float_sum *sum, float *output) {
  if (b->clamps) {
    eb_write_float_rows(b, x, lanes, rows, channels, 1, what, sum, output);
  } else {
    eb_write_float_rows(b, x, lanes, rows, channels, 0, what, sum, output);
  }
}

/* In registers, with a channel's constants loaded once for all rows, where the steps are none but to add a tensor and to
 * bound the sum. Returns whether they are. */
EB_INLINE int eb_write_float_vectors(const eb_bconv2d_block *b, int32_t first, int32_t rows, const int32_t *restrict x,
                                     int32_t lanes, int32_t channels) {
  float *output = (float *)b->output + (size_t)first * b->output_stride;
  const int32_t steps = b->steps != NULL ? b->steps->count : 0;
  if (!__builtin_constant_p(channels) || channels % 16 != 0 || b->pads_after || steps > 2) return 0;
  if (steps == 0) {
    eb_write_clamped_rows(b, x, lanes, rows, channels, EB_FLOATS_ALONE, NULL, output);
    return 1;
  }
  const eb_step *step = &b->steps->step[0], *last = &b->steps->step[steps - 1];
  if (step->kind != EB_STEP_ADD || !eb_step_is_even(step) || (steps == 2 && last->kind != EB_STEP_CLAMP)) return 0;
  const eb_float_sum sum = {
      .added = (const float *)step->operand + eb_step_at(step, b->first_pixel + first) + b->first_channel,
      .stride = step->stride,
      .low = vdupq_n_f32(last->low),
      .high = vdupq_n_f32(last->high)};
  if (steps == 1) {
    eb_write_clamped_rows(b, x, lanes, rows, channels, EB_FLOATS_ADDED, &sum, output);
  } else {
    eb_write_clamped_rows(b, x, lanes, rows, channels, EB_FLOATS_BOUNDED, &sum, output);
  }
  return 1;
}
#else
EB_INLINE int eb_write_float_vectors(const eb_bconv2d_block *b, int32_t first, int32_t rows, const int32_t *restrict x,
                                     int32_t lanes, int32_t channels) {
  (void)b, (void)first, (void)rows, (void)x, (void)lanes, (void)channels;
  return 0; /* the compiler does as well */
}
#endif

EB_INLINE void eb_write_floats(const eb_bconv2d_block *b, int32_t first, int32_t pixels, const int32_t *x,
                               int32_t lanes, int32_t channels) {
  if (eb_write_float_vectors(b, first, pixels, x, lanes, channels)) return;
  for (int32_t p = 0; p < pixels; p++) {
    const int32_t *row = x + (size_t)p * (size_t)lanes;
    const int32_t *padding = b->pads_after ? b->padding[first + p] : NULL;
    float *output = (float *)b->output + (size_t)(first + p) * b->output_stride;
    if (b->steps != NULL && b->steps->count > 0) {
      eb_write_stepped(b, row, padding, b->first_pixel + first + p, channels, output);
      continue;
    }
    eb_output_float(b, row, channels, output);
    if (padding != NULL) eb_unpad_float(b, padding, channels, output);
  }
}

/* `pixels` rows of x, [lanes], from pixel `first` of the block on; the first `channels` lanes count. */
EB_INLINE void eb_write_rows(const eb_bconv2d_block *b, int32_t first, int32_t pixels, const int32_t *x, int32_t lanes,
                             int32_t channels) {
  const size_t at = (size_t)first * b->output_stride;
  switch (b->output_type) {
    case EB_FLOAT32: eb_write_floats(b, first, pixels, x, lanes, channels); break;
    case EB_INT8: eb_output_int8(b, first, pixels, x, lanes, channels); break;
    default:
      for (int32_t p = 0; p < pixels; p++) {
        const size_t to = at + (size_t)p * b->output_stride;
        eb_output_packed(b, x + (size_t)p * (size_t)lanes, channels, (int32_t *)b->output + to);
      }
  }
}

/* What zero padding takes back from the sums. */
EB_INLINE void eb_unpad_sums(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t *x, int32_t lanes) {
  for (int32_t p = 0; p < pixels; p++) {
    const int32_t *padding = b->padding[first + p];
    if (padding == NULL) continue;
    for (int32_t c = 0; c < b->channels; c++) x[p * lanes + c] += padding[c];
  }
}

/* Writes the output of `pixels` pixels from pixel `first` of the block on; x: [pixels][lanes], with lanes a constant,
 * the kernel's channel tile. x is changed. */
EB_INLINE void eb_write_output(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t *x, int32_t lanes) {
  if (b->padding != NULL && !b->pads_after) eb_unpad_sums(b, first, pixels, x, lanes);
  if (b->channels == lanes) {
    eb_write_rows(b, first, pixels, x, lanes, lanes);
  } else if (lanes > 32 && b->channels == 32) {
    eb_write_rows(b, first, pixels, x, lanes, 32);
  } else {
    eb_write_rows(b, first, pixels, x, lanes, b->channels);
  }
}

#endif
