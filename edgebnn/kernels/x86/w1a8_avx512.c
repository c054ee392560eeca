/* W1A8 convolution with AVX-512BW: `vpermw` as a table of 32 sums.
 *
 * A table holds, for five inputs x, the 32 sums of +x and -x as int16: bit i of the index takes x[i] with a minus. One
 * register holds a table, another the indices of 32 channels: a look-up and an addition make 160 multiply-accumulates.
 * Three indices fill 15 bits of a lane, and `vpermw` heeds only the lowest five. A sum of 51 tables fits in int16
 * (51 * 5 * 128 = 32640); then it is widened, even and odd channels apart.
 *
 * Two registers of indices serve seven pixels; where there is only one pixel, a table serves eight of them, of four blocks.
 */
#include "../core/w1a8_depthwise.h"

#if defined(__x86_64__)
#include "w1a8_avx512_output.h"

enum {
  LANES = 32,        /* channels of a register of indices */
  CHANNEL_TILE = 64, /* two of them */
  PIXEL_TILE = 7,
  TABLE_INPUTS = 5,
  LANE_TABLES = 3,
  TABLE_BYTES = 64,
  RUN = 17,   /* lanes from one widening to the next: 51 tables */
  HALF = 16,  /* channels of a register of int32 sums */
  BLOCKS_TOGETHER = 4, /* where there is a single pixel */
  AHEAD = 2048         /* bytes of weights */
};

/* Keeps gcc from adding up what several tables give before it adds that to the sum, for which registers are too few. */
#define KEEP_ORDER(sum) __asm__("" : "+v"(sum))

/* For entry e of a table, a pair of signs for inputs 0 and 1, 2 and 3, and for input 4 alone. */
typedef struct {
  __m512i pairs[3];
  __m512i unbias; /* inputs are staged as x + 128 */
} signs;

static signs make_signs(void) {
  const __m512i plus = _mm512_set1_epi8(1), minus = _mm512_set1_epi8(-1);
  const __m512i offset = _mm512_set1_epi8((char)0x80);
  signs s;
  s.pairs[0] = _mm512_mask_blend_epi8(0xE4E4E4E4E4E4E4E4ull, plus, minus);
  s.pairs[1] = _mm512_mask_blend_epi8(0xFFAA5500FFAA5500ull, plus, minus);
  s.pairs[2] = _mm512_mask_blend_epi16(0xFFFF0000u, _mm512_set1_epi16(0x0001), _mm512_set1_epi16(0x00FF));
  s.unbias = _mm512_setzero_si512();
  for (int i = 0; i < 3; i++) s.unbias = _mm512_sub_epi16(s.unbias, _mm512_maddubs_epi16(offset, s.pairs[i]));
  return s;
}

/* Of inputs 0 and 1, 2 and 3, 4 and any other, each pair in all lanes. */
EB_INLINE __m512i table_of(const signs *s, __m512i pair01, __m512i pair23, __m512i pair4) {
  const __m512i offset = _mm512_set1_epi8((char)0x80);
  const __m512i sum01 = _mm512_maddubs_epi16(_mm512_xor_si512(pair01, offset), s->pairs[0]);
  const __m512i sum23 = _mm512_maddubs_epi16(_mm512_xor_si512(pair23, offset), s->pairs[1]);
  const __m512i sum4 = _mm512_maddubs_epi16(_mm512_xor_si512(pair4, offset), s->pairs[2]);
  return _mm512_add_epi16(_mm512_add_epi16(s->unbias, sum01), _mm512_add_epi16(sum23, sum4));
}

EB_INLINE __m512i pair_at(const int8_t *input) {
  int16_t pair;
  memcpy(&pair, input, sizeof(pair));
  return _mm512_set1_epi16(pair);
}

static void stage(const signs *s, const int8_t *input, int32_t inputs, __m512i *table) {
  for (; inputs >= TABLE_INPUTS; inputs -= TABLE_INPUTS, input += TABLE_INPUTS) {
    _mm512_store_si512(table++, table_of(s, pair_at(input), pair_at(input + 2), _mm512_set1_epi8(input[4])));
  }
  if (inputs == 0) return;
  const __m128i last = _mm_maskz_loadu_epi8((__mmask16)((1u << inputs) - 1), input);
  const __m512i pair23 = _mm512_broadcastw_epi16(_mm_srli_si128(last, 2));
  _mm512_store_si512(table, table_of(s, _mm512_broadcastw_epi16(last), pair23, _mm512_setzero_si512()));
}

void eb_w1a8_avx512_stage(const eb_w1a8_pixels *p) {
  const signs s = make_signs();
  for (int32_t i = 0; i < p->count; i++) {
    stage(&s, p->input + (size_t)i * p->input_stride, p->inputs, (void *)(p->tables + (size_t)i * p->table_stride));
  }
}

/* Adds what one lane after another finds in `tables` tables of each pixel (at most LANE_TABLES). */
EB_INLINE void look_up(const __m512i *lanes, const char *table, size_t stride, const int pixels, const int vectors,
                       const int tables, __m512i (*sums)[2]) {
  __m512i index[2];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) index[v] = _mm512_load_si512(lanes + v);
#pragma GCC unroll 3
  for (int t = 0; t < tables; t++) {
#pragma GCC unroll 7
    for (int p = 0; p < pixels; p++) {
      const __m512i entries = _mm512_load_si512(table + (size_t)p * stride + t * TABLE_BYTES);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        sums[p][v] = _mm512_add_epi16(sums[p][v], _mm512_permutexvar_epi16(index[v], entries));
        KEEP_ORDER(sums[p][v]);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) index[v] = _mm512_srli_epi16(index[v], TABLE_INPUTS);
  }
}

/* Adds int16 sums to int32 ones; x: for each vector those of even channels and those of odd ones. */
EB_INLINE void widen(const __m512i *sums, const int vectors, __m512i (*x)[2]) {
  const __m512i even = _mm512_set1_epi32(0x00000001), odd = _mm512_set1_epi32(0x00010000);
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    x[v][0] = _mm512_add_epi32(x[v][0], _mm512_madd_epi16(sums[v], even));
    x[v][1] = _mm512_add_epi32(x[v][1], _mm512_madd_epi16(sums[v], odd));
  }
}

/* x: as widen has it, for each pixel. */
EB_INLINE void sum_run(const __m512i *lanes, size_t count, size_t rest, const char *table, size_t stride,
                       const int pixels, const int vectors, __m512i (*x)[2][2]) {
  __m512i sums[PIXEL_TILE][2];
#pragma GCC unroll 7
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) sums[p][v] = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < count; i++, lanes += 2, table += LANE_TABLES * TABLE_BYTES) {
    look_up(lanes, table, stride, pixels, vectors, LANE_TABLES, sums);
  }
  if (rest == 1) look_up(lanes, table, stride, pixels, vectors, 1, sums);
  if (rest == 2) look_up(lanes, table, stride, pixels, vectors, 2, sums);
#pragma GCC unroll 7
  for (int p = 0; p < pixels; p++) widen(sums[p], vectors, x[p]);
}

/* Writes the outputs of 64 channels of a pixel, or fewer. x: as widen has it, of one vector or two; c: the first channel. */
EB_INLINE void write_outputs(const eb_w1a8_block *b, int32_t c, const int vectors, __m512i (*x)[2], int8_t *output) {
  const __m512i front = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i back = _mm512_add_epi32(front, _mm512_set1_epi32(8));
  const int32_t from[4] = {c, c + HALF, c + LANES, c + LANES + HALF}, left = b->channels - c;
  const __mmask64 there = left >= CHANNEL_TILE ? ~0ull : (1ull << left) - 1;
  __m512i sums[4], y;
#pragma GCC unroll 2
  for (int v = 0; v < 2; v++) {
    const int have = v < vectors ? v : 0;
    sums[2 * v] = _mm512_permutex2var_epi32(x[have][0], front, x[have][1]);
    sums[2 * v + 1] = _mm512_permutex2var_epi32(x[have][0], back, x[have][1]);
  }
  if (b->transform.guard > 0.0f && eb_w1a8_avx512_round_64(&b->transform, sums, from, &y)) {
    _mm512_mask_storeu_epi8(output, there, y);
    return;
  }
  for (int i = 0; i < 2 * vectors; i++) {
    eb_w1a8_avx512_write(&b->transform, from[i], b->channels - from[i], sums[i], output + i * HALF);
  }
}

EB_INLINE void compute(const eb_w1a8_block *b, int32_t first, const int pixels, const int vectors) {
  __m512i x[PIXEL_TILE][2][2];
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < vectors; v++) x[p][v][0] = x[p][v][1] = _mm512_setzero_si512();
  }
  const __m512i *lanes = b->weights;
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *table = b->segments[s] + (size_t)first * b->pixel_stride;
    for (size_t tables = b->segment_tables; tables > 0;) {
      const size_t most = tables < RUN * LANE_TABLES ? tables : RUN * LANE_TABLES;
      sum_run(lanes, most / LANE_TABLES, most % LANE_TABLES, table, b->pixel_stride, pixels, vectors, x);
      lanes += 2 * (most / LANE_TABLES + (most % LANE_TABLES != 0));
      table += most * TABLE_BYTES;
      tables -= most;
    }
  }
  int8_t *output = b->output + (size_t)first * b->output_stride;
  for (int p = 0; p < pixels; p++, output += b->output_stride) write_outputs(b, 0, vectors, x[p], output);
}

static void compute_whole_1(const eb_w1a8_block *b, int32_t first) { compute(b, first, PIXEL_TILE, 1); }
static void compute_whole_2(const eb_w1a8_block *b, int32_t first) { compute(b, first, PIXEL_TILE, 2); }

/* The last pixels of a row. */
static void compute_rest(const eb_w1a8_block *b, int32_t first, int32_t pixels) {
  switch (pixels) {
    case 0: break;
    case 1: compute(b, first, 1, 2); break;
    case 2: compute(b, first, 2, 2); break;
    case 3: compute(b, first, 3, 2); break;
    case 4: compute(b, first, 4, 2); break;
    case 5: compute(b, first, 5, 2); break;
    default: compute(b, first, 6, 2); break;
  }
}

static void run_row(const eb_w1a8_block *b) {
  const int32_t whole = b->pixel_count / PIXEL_TILE * PIXEL_TILE;
  for (int32_t p = 0; p < whole; p += PIXEL_TILE) {
    if (b->channels <= LANES) {
      compute_whole_1(b, p);
    } else {
      compute_whole_2(b, p);
    }
  }
  compute_rest(b, whole, b->pixel_count - whole);
}

/* One pixel, whose tables are read once for the channels of `blocks` blocks. Each weight is used once, so the weights of large
 * layers come from memory all the time: they are asked for ahead. */
EB_INLINE void compute_single(const eb_w1a8_block *b, int32_t c, const int blocks) {
  __m512i x[BLOCKS_TOGETHER][2][2], sums[BLOCKS_TOGETHER][2];
#pragma GCC unroll 4
  for (int k = 0; k < blocks; k++) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) x[k][v][0] = x[k][v][1] = _mm512_setzero_si512();
  }
  const char *lanes = (const char *)b->weights + (size_t)(c / CHANNEL_TILE) * b->block_bytes;
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *table = b->segments[s];
    for (size_t tables = b->segment_tables; tables > 0;) {
      const size_t run = tables < RUN * LANE_TABLES ? tables : RUN * LANE_TABLES;
#pragma GCC unroll 4
      for (int k = 0; k < blocks; k++) sums[k][0] = sums[k][1] = _mm512_setzero_si512();
      for (size_t left = run; left > 0; lanes += 2 * TABLE_BYTES) {
        __m512i index[BLOCKS_TOGETHER][2];
#pragma GCC unroll 4
        for (int k = 0; k < blocks; k++) {
#pragma GCC unroll 2
          for (int v = 0; v < 2; v++) {
            const char *at = lanes + (size_t)k * b->block_bytes + v * TABLE_BYTES;
            index[k][v] = _mm512_load_si512(at);
            _mm_prefetch(at + AHEAD, _MM_HINT_T0);
          }
        }
        for (size_t t = left < LANE_TABLES ? left : LANE_TABLES; t > 0; t--, left--, table += TABLE_BYTES) {
          const __m512i entries = _mm512_load_si512(table);
#pragma GCC unroll 4
          for (int k = 0; k < blocks; k++) {
#pragma GCC unroll 2
            for (int v = 0; v < 2; v++) {
              sums[k][v] = _mm512_add_epi16(sums[k][v], _mm512_permutexvar_epi16(index[k][v], entries));
              index[k][v] = _mm512_srli_epi16(index[k][v], TABLE_INPUTS);
            }
          }
        }
      }
#pragma GCC unroll 4
      for (int k = 0; k < blocks; k++) widen(sums[k], 2, x[k]);
      tables -= run;
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < blocks; k++) write_outputs(b, c + k * CHANNEL_TILE, 2, x[k], b->output + c + k * CHANNEL_TILE);
}

/* A block of more channels than the tile's has one pixel. */
static void run_blocks(const eb_w1a8_block *b) {
  enum { CHANNELS = BLOCKS_TOGETHER * CHANNEL_TILE };
  int32_t c = 0;
  for (; c + CHANNELS <= b->channels; c += CHANNELS) compute_single(b, c, BLOCKS_TOGETHER);
  for (; c < b->channels; c += CHANNEL_TILE) compute_single(b, c, 1);
}

void eb_w1a8_avx512(const eb_w1a8_block *b) {
  const int single = b->row_count == 1 && b->pixel_count == 1;
  eb_require_w1a8_block(b, single ? INT32_MAX : CHANNEL_TILE, TABLE_BYTES);
  eb_w1a8_each_row(b, single ? run_blocks : run_row);
}

void eb_w1a8_avx512_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_avx512_write_channels); }
#endif
