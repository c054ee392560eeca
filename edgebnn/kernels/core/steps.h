/* The steps of kernels.h on one row, or some channels of it; compiled with the flags of whoever includes it. */
#ifndef EDGEBNN_STEPS_H
#define EDGEBNN_STEPS_H

#include "int8_scale.h"
#include "int8_sum.h"
#include "numbers.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define EB_STEP_INLINE static inline __attribute__((always_inline))

/* How far behind `operand` a row's x is. */
EB_STEP_INLINE size_t eb_step_at(const eb_step *s, int64_t row) {
  if (s->stride == 0) return 0;
  return (size_t)(s->rows == 1 ? row : row / s->rows) * s->stride;
}

/* Whether the rows' x follow each other a stride apart. */
EB_STEP_INLINE int eb_step_is_even(const eb_step *s) { return s->rows == 1 || s->stride == 0; }

EB_STEP_INLINE void eb_apply_step(const eb_step *s, int64_t row, int32_t first, int32_t channels, float *restrict y) {
  const float *x = s->operand == NULL ? NULL : (const float *)s->operand + eb_step_at(s, row) + first;
  const float low = s->low, high = s->high;
  switch (s->kind) {
    case EB_STEP_MUL:
      for (int32_t c = 0; c < channels; c++) y[c] *= x[c];
      break;
    case EB_STEP_ADD:
      for (int32_t c = 0; c < channels; c++) y[c] += x[c];
      break;
    case EB_STEP_PRELU:
      for (int32_t c = 0; c < channels; c++) {
        const float scaled = y[c] * x[c];
        y[c] = y[c] >= 0.0f ? y[c] : scaled;
      }
      break;
    default:
      for (int32_t c = 0; c < channels; c++) {
        const float above = y[c] < low ? low : y[c];
        y[c] = above > high ? high : above;
      }
  }
}

/* y: of `channels` channels of a row, from `first` on. */
EB_STEP_INLINE void eb_apply_steps(const eb_output_steps *steps, int64_t row, int32_t first, int32_t channels,
                                   float *restrict y) {
  for (int32_t i = 0; i < steps->count; i++) eb_apply_step(&steps->step[i], row, first, channels, y);
}

/* EB_STEP_LANES sums (eb_int8_sum_of) or scaled values (eb_int8_scale_of) at a time, where there are vectors for it. */
#if defined(__AVX512BW__)
enum { EB_STEP_LANES = 16 };
EB_STEP_INLINE __m512i eb_step_load(const int8_t *x) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)x));
}

/* Not bounded yet. */
EB_STEP_INLINE __m512i eb_step_sum_16(const eb_int8_sum *s, const int8_t *x, const int8_t *y) {
  const __m512i first = _mm512_mullo_epi32(eb_step_load(y), _mm512_set1_epi32(s->first_factor));
  const __m512i second = _mm512_mullo_epi32(eb_step_load(x), _mm512_set1_epi32(s->second_factor));
  const __m512i all = _mm512_add_epi32(_mm512_add_epi32(first, second), _mm512_set1_epi32(s->addend));
  return _mm512_sra_epi32(all, _mm_cvtsi32_si128(s->shift));
}

EB_STEP_INLINE void eb_step_sum(const eb_int8_sum *s, const int8_t *x, int8_t *y) {
  const __m512i sum = _mm512_max_epi32(eb_step_sum_16(s, x, y), _mm512_set1_epi32(s->low));
  const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_min_epi32(sum, _mm512_set1_epi32(s->high)));
  _mm_storeu_si128((__m128i *)(void *)y, bytes);
}

/* Of as many as can be, in whole registers; returns how many that is. */
EB_STEP_INLINE int32_t eb_step_sums_together(const eb_int8_sum *s, int32_t count, const int8_t *x, int8_t *y) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_set1_epi8((char)s->low), high = _mm512_set1_epi8((char)s->high);
  int32_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i front = _mm512_packs_epi32(eb_step_sum_16(s, x + i, y + i), eb_step_sum_16(s, x + i + 16, y + i + 16));
    const __m512i back =
        _mm512_packs_epi32(eb_step_sum_16(s, x + i + 32, y + i + 32), eb_step_sum_16(s, x + i + 48, y + i + 48));
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(front, back));
    _mm512_storeu_si512(y + i, _mm512_min_epi8(_mm512_max_epi8(bytes, low), high));
  }
  return i;
}

/* Of 32-bit values. constants: of the first channel. */
EB_STEP_INLINE __m512i eb_step_scale_16(const eb_int8_scale *s, const int32_t *constants, __m512i x) {
  const size_t plane = (size_t)s->channels;
  const __mmask16 high = _mm512_cmpge_epi32_mask(x, _mm512_loadu_si512(constants + EB_SCALE_PIVOT * plane));
  const __m512i low_factor = _mm512_loadu_si512(constants + EB_SCALE_LOW_FACTOR * plane);
  const __m512i low_addend = _mm512_loadu_si512(constants + EB_SCALE_LOW_ADDEND * plane);
  const __m512i factor = _mm512_mask_loadu_epi32(low_factor, high, constants + EB_SCALE_HIGH_FACTOR * plane);
  const __m512i addend = _mm512_mask_loadu_epi32(low_addend, high, constants + EB_SCALE_HIGH_ADDEND * plane);
  const __m512i y = _mm512_sra_epi32(_mm512_add_epi32(_mm512_mullo_epi32(x, factor), addend), _mm_cvtsi32_si128(s->shift));
  return _mm512_min_epi32(_mm512_max_epi32(y, _mm512_set1_epi32(s->low)), _mm512_set1_epi32(s->high));
}

EB_STEP_INLINE void eb_step_scale(const eb_int8_scale *s, const int32_t *constants, const int8_t *x, int8_t *y) {
  _mm_storeu_si128((__m128i *)(void *)y, _mm512_cvtepi32_epi8(eb_step_scale_16(s, constants, eb_step_load(x))));
}
#elif defined(__AVX2__)
enum { EB_STEP_LANES = 8 };
EB_STEP_INLINE __m256i eb_step_load(const int8_t *x) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)x));
}

EB_STEP_INLINE void eb_step_sum(const eb_int8_sum *s, const int8_t *x, int8_t *y) {
  const __m256i first = _mm256_mullo_epi32(eb_step_load(y), _mm256_set1_epi32(s->first_factor));
  const __m256i second = _mm256_mullo_epi32(eb_step_load(x), _mm256_set1_epi32(s->second_factor));
  const __m256i all = _mm256_add_epi32(_mm256_add_epi32(first, second), _mm256_set1_epi32(s->addend));
  __m256i sum = _mm256_max_epi32(_mm256_sra_epi32(all, _mm_cvtsi32_si128(s->shift)), _mm256_set1_epi32(s->low));
  sum = _mm256_min_epi32(sum, _mm256_set1_epi32(s->high));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  _mm_storel_epi64((__m128i *)(void *)y, _mm_packs_epi16(words, words));
}

EB_STEP_INLINE __m256i eb_step_constants(const int32_t *constants) {
  return _mm256_loadu_si256((const __m256i *)(const void *)constants);
}

/* Of 32-bit values. constants: of the first channel. */
EB_STEP_INLINE __m256i eb_step_scale_8(const eb_int8_scale *s, const int32_t *constants, __m256i x) {
  const size_t plane = (size_t)s->channels;
  const __m256i low = _mm256_cmpgt_epi32(eb_step_constants(constants + EB_SCALE_PIVOT * plane), x);
  const __m256i factor = _mm256_blendv_epi8(eb_step_constants(constants + EB_SCALE_HIGH_FACTOR * plane),
                                            eb_step_constants(constants + EB_SCALE_LOW_FACTOR * plane), low);
  const __m256i addend = _mm256_blendv_epi8(eb_step_constants(constants + EB_SCALE_HIGH_ADDEND * plane),
                                            eb_step_constants(constants + EB_SCALE_LOW_ADDEND * plane), low);
  const __m256i all = _mm256_add_epi32(_mm256_mullo_epi32(x, factor), addend);
  const __m256i y = _mm256_max_epi32(_mm256_sra_epi32(all, _mm_cvtsi32_si128(s->shift)), _mm256_set1_epi32(s->low));
  return _mm256_min_epi32(y, _mm256_set1_epi32(s->high));
}

EB_STEP_INLINE void eb_step_scale(const eb_int8_scale *s, const int32_t *constants, const int8_t *x, int8_t *y) {
  const __m256i scaled = eb_step_scale_8(s, constants, eb_step_load(x));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(scaled), _mm256_extracti128_si256(scaled, 1));
  _mm_storel_epi64((__m128i *)(void *)y, _mm_packs_epi16(words, words));
}
#elif defined(__ARM_NEON)
enum { EB_STEP_LANES = 8 };
EB_STEP_INLINE int32x4_t eb_step_sum_four(const eb_int8_sum *s, int16x4_t x, int16x4_t y) {
  const int32x4_t first = vmlaq_n_s32(vdupq_n_s32(s->addend), vmovl_s16(y), s->first_factor);
  const int32x4_t sum = vshlq_s32(vmlaq_n_s32(first, vmovl_s16(x), s->second_factor), vdupq_n_s32(-s->shift));
  return vminq_s32(vmaxq_s32(sum, vdupq_n_s32(s->low)), vdupq_n_s32(s->high));
}

EB_STEP_INLINE void eb_step_sum(const eb_int8_sum *s, const int8_t *x, int8_t *y) {
  const int16x8_t first = vmovl_s8(vld1_s8(y)), second = vmovl_s8(vld1_s8(x));
  const int16x4_t low = vmovn_s32(eb_step_sum_four(s, vget_low_s16(second), vget_low_s16(first)));
  const int16x4_t high = vmovn_s32(eb_step_sum_four(s, vget_high_s16(second), vget_high_s16(first)));
  vst1_s8(y, vmovn_s16(vcombine_s16(low, high)));
}

EB_STEP_INLINE int32x4_t eb_step_scale_four(const eb_int8_scale *s, const int32_t *constants, int16x4_t x) {
  const size_t plane = (size_t)s->channels;
  const int32x4_t wide = vmovl_s16(x);
  const uint32x4_t high = vcgeq_s32(wide, vld1q_s32(constants + EB_SCALE_PIVOT * plane));
  const int32x4_t factor = vbslq_s32(high, vld1q_s32(constants + EB_SCALE_HIGH_FACTOR * plane),
                                     vld1q_s32(constants + EB_SCALE_LOW_FACTOR * plane));
  const int32x4_t addend = vbslq_s32(high, vld1q_s32(constants + EB_SCALE_HIGH_ADDEND * plane),
                                     vld1q_s32(constants + EB_SCALE_LOW_ADDEND * plane));
  const int32x4_t y = vshlq_s32(vmlaq_s32(addend, wide, factor), vdupq_n_s32(-s->shift));
  return vminq_s32(vmaxq_s32(y, vdupq_n_s32(s->low)), vdupq_n_s32(s->high));
}

EB_STEP_INLINE void eb_step_scale(const eb_int8_scale *s, const int32_t *constants, const int8_t *x, int8_t *y) {
  const int16x8_t all = vmovl_s8(vld1_s8(x));
  const int16x4_t low = vmovn_s32(eb_step_scale_four(s, constants, vget_low_s16(all)));
  const int16x4_t high = vmovn_s32(eb_step_scale_four(s, constants + 4, vget_high_s16(all)));
  vst1_s8(y, vmovn_s16(vcombine_s16(low, high)));
}
#else
enum { EB_STEP_LANES = 1 };
EB_STEP_INLINE void eb_step_scale(const eb_int8_scale *s, const int32_t *constants, const int8_t *x, int8_t *y) {
  *y = eb_int8_scale_of(s, constants, *x);
}

EB_STEP_INLINE void eb_step_sum(const eb_int8_sum *s, const int8_t *x, int8_t *y) { *y = eb_int8_sum_of(s, *y, *x); }
#endif

EB_STEP_INLINE void eb_step_sums(const eb_int8_sum *s, int32_t channels, const int8_t *x, int8_t *y) {
  const eb_int8_sum constants = *s; /* of one's own: what stores of bytes change may be anything else */
  int32_t c = 0;
  for (; c + EB_STEP_LANES <= channels; c += EB_STEP_LANES) eb_step_sum(&constants, x + c, y + c);
  for (; c < channels; c++) y[c] = eb_int8_sum_of(&constants, y[c], x[c]);
}

/* The same of many neighbours. */
EB_STEP_INLINE void eb_step_sums_of_many(const eb_int8_sum *s, int32_t count, const int8_t *x, int8_t *y) {
  int32_t i = 0;
#if defined(__AVX512BW__)
  const eb_int8_sum constants = *s;
  i = eb_step_sums_together(&constants, count, x, y);
#endif
  eb_step_sums(s, count - i, x + i, y + i);
}

/* constants: of the first channel. x and y may be the same. */
EB_STEP_INLINE void eb_step_scales(const eb_int8_scale *s, const int32_t *constants, int32_t channels, const int8_t *x,
                                   int8_t *y) {
  const eb_int8_scale own = *s;
  int32_t c = 0;
  for (; c + EB_STEP_LANES <= channels; c += EB_STEP_LANES) eb_step_scale(&own, constants + c, x + c, y + c);
  for (; c < channels; c++) y[c] = eb_int8_scale_of(&own, constants + c, x[c]);
}

/* The same of int8. */
EB_STEP_INLINE void eb_apply_int8_step(const eb_step *s, int64_t row, int32_t first, int32_t channels, int8_t *y) {
  const size_t at = eb_step_at(s, row) + (size_t)first;
  if (s->kind == EB_STEP_SCALE) {
    eb_step_scales(s->scale, (const int32_t *)s->operand + at, channels, y, y);
  } else {
    eb_step_sums(s->sum, channels, (const int8_t *)s->operand + at, y);
  }
}

EB_STEP_INLINE void eb_apply_int8_steps(const eb_output_steps *steps, int64_t row, int32_t first, int32_t channels,
                                        int8_t *restrict y) {
  for (int32_t i = 0; i < steps->count; i++) eb_apply_int8_step(&steps->step[i], row, first, channels, y);
}

/* Whether all are sums. */
EB_STEP_INLINE int eb_steps_only_add(const eb_output_steps *steps) {
  for (int32_t i = 0; i < steps->count; i++) {
    if (steps->step[i].kind != EB_STEP_SUM) return 0;
  }
  return 1;
}

#endif
