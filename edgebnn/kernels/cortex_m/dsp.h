/* What the files of this room look for: microcontrollers with the DSP extension (Cortex-M4, M7, M33 and later). Elsewhere
 * they compile to nothing. */
#ifndef EDGEBNN_DSP_H
#define EDGEBNN_DSP_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE)
#if __ARM_ARCH_PROFILE == 'M'
#define EB_HAS_DSP 1
#endif
#endif
#ifndef EB_HAS_DSP
#define EB_HAS_DSP 0
#endif

#if EB_HAS_DSP

/* Four bytes at any address: these cores load and store them with one instruction. */
typedef struct eb_word {
  uint32_t value;
} __attribute__((packed, aligned(1), may_alias)) eb_word;

static inline uint32_t eb_load_word(const int8_t *from) { return ((const eb_word *)(const void *)from)->value; }

static inline void eb_store_word(int8_t *to, uint32_t word) { ((eb_word *)(void *)to)->value = word; }

/* Bytes 0 and 2 of a word as two int16. */
static inline uint32_t eb_even_bytes(uint32_t word) {
  uint32_t halves;
  __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(word));
  return halves;
}

/* Bytes 1 and 3. */
static inline uint32_t eb_odd_bytes(uint32_t word) {
  uint32_t halves;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
  return halves;
}

/* Two sums of int16, of bytes 0 and 2; of bytes 1 and 3. */
static inline uint32_t eb_add_even_bytes(uint32_t sums, uint32_t word) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(sums), "r"(word));
  return result;
}

static inline uint32_t eb_add_odd_bytes(uint32_t sums, uint32_t word) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(sums), "r"(word));
  return result;
}

/* The greater of each pair of int8. */
static inline uint32_t eb_max_bytes(uint32_t x, uint32_t y) {
  uint32_t result;
  __asm__("ssub8 %0, %1, %2 \n sel %0, %1, %2" : "=&r"(result) : "r"(x), "r"(y) : "cc");
  return result;
}

/* sum + the products of both halves. */
static inline int32_t eb_dot_halves(uint32_t x, uint32_t y, int32_t sum) {
  int32_t result;
  __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
  return result;
}

static inline int32_t eb_saturate_int8(int32_t x) {
  int32_t result;
  __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
  return result;
}
#endif

#endif
