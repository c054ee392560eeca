#include "conv_binary_rows.h"

#include "conv_binary_tiles.h"
#include "naked.h"

enum { TAPS = 3, BYTE = 8, FIRST_BIT = 3 };

typedef eb_pair sums[BYTE][8]; /* of the filter's row and eight channels: for each channel all sums of three signs */

/* ---- partial sums ------------------------------------------------------------------------------------------------- */

/* Counters of some output channels, the sums that three rows of the input can give them, and the weights that choose: words of
 * the three rows of the filter, `stride` words from channel to channel. The assembler counts on the order. */
typedef struct partial_sums {
  uint32_t *first;
  int32_t planes, channels;
  const uint32_t *weights;
  int32_t stride;
  const sums *rows[TAPS];
} partial_sums;

/* On the stack: the counter, its weights, the carry of the first row, the end of all counters, the bytes of a counter, the bytes
 * between weights, the three rows, the carry of the second row. */

#if defined(__thumb2__)

/* All registers are taken: r0 to r4 the five lowest bits of the counters, r5 the sums of a row, r6 the weights of a row, r7 what is
 * computed between, r8 to lr sums and carries. */

#define SUM(n, low, high)                            \
  "ubfx " high ", r6, #(3 * " #n " + 3), #3\n"       \
  "add " high ", r5, " high ", lsl #3\n"             \
  "ldrd " low ", " high ", [" high ", #(64 * " #n ")]\n"

/* The sums of eight channels; the carry, of weight 32, in r9. */
#define ADD_ROW                                                                                       \
  SUM(0, "r8", "r9") SUM(1, "r10", "r11")                                                             \
  FULL_ADD("r0", "r8", "r10")                                      /* twos in r8 */                   \
  FULL_ADD("r1", "r9", "r11")                                      /* fours in r9 */                  \
  SUM(2, "r10", "r11")                                                                                \
  FULL_ADD("r1", "r8", "r11") FULL_ADD("r2", "r9", "r8")           /* eights in r9 */                 \
  SUM(3, "r8", "r11")                                                                                 \
  FULL_ADD("r0", "r10", "r8") FULL_ADD("r1", "r10", "r11")         /* fours in r10 */                 \
  SUM(4, "r8", "r11") SUM(5, "r12", "lr")                                                             \
  FULL_ADD("r0", "r8", "r12") FULL_ADD("r1", "r11", "lr")          /* twos in r8, fours in r11 */     \
  FULL_ADD("r2", "r10", "r11") FULL_ADD("r3", "r9", "r10")         /* sixteens in r9 */               \
  SUM(6, "r10", "r11")                                                                                \
  FULL_ADD("r1", "r8", "r11")                                      /* fours in r8 */                  \
  SUM(7, "r11", "r12")                                                                                \
  FULL_ADD("r0", "r10", "r11") FULL_ADD("r1", "r12", "r10")        /* fours in r12 */                 \
  FULL_ADD("r2", "r8", "r12")                                      /* eights in r8 */                 \
  HALF_ADD("r3", "r8", "r10") FULL_ADD("r4", "r9", "r10")

EB_NAKED void add_rows(const partial_sums *s EB_UNUSED) {
  __asm__("push {r4-r11, lr}\n"
          "sub sp, sp, #44\n"
          "ldm r0, {r2, r3, r4, r6, r7, r8, r9, r10}\n"
          "lsl r3, r3, #2\n"
          "lsl r7, r7, #2\n"
          "mla r4, r4, r3, r2\n"
          "strd r2, r6, [sp]\n"
          "str r4, [sp, #12]\n"
          "strd r3, r7, [sp, #16]\n"
          "strd r8, r9, [sp, #24]\n"
          "str r10, [sp, #32]\n"
          "1:\n"
          "ldrd r8, r9, [sp]\n"
          "ldm r8, {r0-r4}\n"
          "ldr r5, [sp, #24]\n"
          "ldr r6, [r9]\n" ADD_ROW);
  __asm__("str r9, [sp, #8]\n"
          "ldr r8, [sp, #4]\n"
          "ldr r5, [sp, #28]\n"
          "ldr r6, [r8, #4]\n" ADD_ROW);
  __asm__("str r9, [sp, #36]\n"
          "ldr r8, [sp, #4]\n"
          "ldr r5, [sp, #32]\n"
          "ldr r6, [r8, #8]\n" ADD_ROW);
  __asm__("ldr r8, [sp]\n"
          "ldr r12, [sp, #16]\n"
          "add r12, r8, r12\n" /* the next channel's counter */
          "stm r8!, {r0-r4}\n"
          "ldm r8, {r0-r4, r6}\n" /* bits 5 to 10 */
          "ldr r10, [sp, #8]\n"
          "ldr r11, [sp, #36]\n"
          FULL_ADD("r0", "r9", "r10") HALF_ADD("r0", "r11", "r10")
          FULL_ADD("r1", "r9", "r10")
          HALF_ADD("r2", "r9", "r10") HALF_ADD("r3", "r10", "r9") HALF_ADD("r4", "r9", "r10") HALF_ADD("r6", "r10", "r9")
          "stm r8!, {r0-r4, r6}\n"
          "cmp r8, r12\n"
          "beq 3f\n"
          "2:\n" /* bits from 11 on */
          "ldr r0, [r8]\n"
          "and r10, r0, r9\n"
          "eor r0, r0, r9\n"
          "str r0, [r8], #4\n"
          "mov r9, r10\n"
          "cmp r8, r12\n"
          "bne 2b\n"
          "3:\n"
          "ldr r9, [sp, #4]\n"
          "ldrd r10, r11, [sp, #16]\n"
          "add r9, r9, r11\n"
          "strd r8, r9, [sp]\n"
          "ldr r9, [sp, #12]\n"
          "cmp r8, r9\n"
          "bne.w 1b\n"
          "add sp, sp, #44\n"
          "pop {r4-r11, pc}\n");
}

#elif defined(__thumb__)

/* r0: the weights of a row, r1: its sums, r2 and r3 the lowest bits of the counters, r8 to r10 the next ones; r4 to r7 are sums and
 * carries, which r11 and r12 put away. */

/* The sum that bits 3 to 5 of the weights choose. SHIFT: brings the next ones there. */
#define SUM(SHIFT, low, high)                  \
  SHIFT "movs " low ", #56\n"                  \
  "ands " low ", r0\n"                         \
  "adds " low ", r1\n"                         \
  "adds r1, #64\n"                             \
  "ldm " low ", {" low ", " high "}\n"
#define NEXT "lsrs r0, r0, #3\n"

/* The sums of eight channels; the carry, of weight 32, in r5. */
#define ADD_ROW                                                                              \
  SUM("", "r4", "r5") SUM(NEXT, "r6", "r7")                                                  \
  FULL_ADD("r2", "r4", "r6")             /* twos in r4 */                                    \
  FULL_ADD("r3", "r5", "r7")             /* fours in r5 */                                   \
  SUM(NEXT, "r6", "r7")                                                                      \
  FULL_ADD("r3", "r4", "r7")             /* fours in r4 */                                   \
  UPPER_ADD("r8", "r5", "r4", "r7")      /* eights in r5 */                                  \
  "mov r11, r5\n" SUM(NEXT, "r4", "r5")                                                      \
  FULL_ADD("r2", "r6", "r4")             /* twos in r6 */                                    \
  FULL_ADD("r3", "r6", "r5")             /* fours in r6 */                                   \
  "mov r12, r6\n" SUM(NEXT, "r4", "r5") SUM(NEXT, "r6", "r7")                                \
  FULL_ADD("r2", "r4", "r6")             /* twos in r4 */                                    \
  FULL_ADD("r3", "r5", "r7")             /* fours in r5 */                                   \
  "mov r6, r12\n" UPPER_ADD("r8", "r6", "r5", "r7") /* eights in r6 */                       \
  "mov r5, r11\n" UPPER_ADD("r9", "r5", "r6", "r7") /* sixteens in r5 */                     \
  "mov r11, r5\n" SUM(NEXT, "r6", "r7")                                                      \
  FULL_ADD("r3", "r4", "r7")             /* fours in r4 */                                   \
  SUM(NEXT, "r5", "r7")                                                                      \
  FULL_ADD("r2", "r6", "r5")             /* twos in r6 */                                    \
  FULL_ADD("r3", "r7", "r6")             /* fours in r7 */                                   \
  UPPER_ADD("r8", "r4", "r7", "r5")      /* eights in r4 */                                  \
  "mov r5, r9\n" HALF_ADD("r5", "r4")    /* sixteens in r4 */                                \
  "mov r9, r5\n"                                                                             \
  "mov r5, r11\n" UPPER_ADD("r10", "r5", "r4", "r7")

EB_NAKED void add_rows(const partial_sums *s EB_UNUSED) {
  __asm__(EB_UNIFIED
          "push {r4-r7, lr}\n"
          "mov r4, r8\n"
          "mov r5, r9\n"
          "mov r6, r10\n"
          "mov r7, r11\n"
          "push {r4-r7}\n"
          "sub sp, #40\n"
          "ldm r0!, {r2, r3, r4, r5, r6, r7}\n"
          "lsls r3, r3, #2\n"
          "lsls r6, r6, #2\n"
          "muls r4, r3, r4\n"
          "adds r4, r4, r2\n"
          "str r2, [sp]\n"
          "str r5, [sp, #4]\n"
          "str r4, [sp, #12]\n"
          "str r3, [sp, #16]\n"
          "str r6, [sp, #20]\n"
          "str r7, [sp, #24]\n"
          "ldm r0!, {r2, r3}\n"
          "str r2, [sp, #28]\n"
          "str r3, [sp, #32]\n"
          "1:\n"
          "ldr r7, [sp]\n"
          "ldm r7!, {r2, r3, r4, r5, r6}\n"
          "mov r8, r4\n"
          "mov r9, r5\n"
          "mov r10, r6\n"
          "ldr r1, [sp, #24]\n"
          "ldr r0, [sp, #4]\n"
          "ldr r0, [r0]\n" ADD_ROW);
  __asm__(EB_UNIFIED
          "str r5, [sp, #8]\n"
          "ldr r1, [sp, #28]\n"
          "ldr r0, [sp, #4]\n"
          "ldr r0, [r0, #4]\n" ADD_ROW);
  __asm__(EB_UNIFIED
          "str r5, [sp, #36]\n"
          "ldr r1, [sp, #32]\n"
          "ldr r0, [sp, #4]\n"
          "ldr r0, [r0, #8]\n" ADD_ROW);
  __asm__(EB_UNIFIED
          "mov r1, r5\n"
          "ldr r7, [sp]\n"
          "mov r4, r8\n"
          "mov r5, r9\n"
          "mov r6, r10\n"
          "stm r7!, {r2, r3, r4, r5, r6}\n"
          "ldm r7!, {r2, r3, r4, r5, r6}\n" /* bits 5 to 9 */
          "ldr r0, [sp, #8]\n" FULL_ADD("r2", "r1", "r0")
          "ldr r0, [sp, #36]\n" HALF_ADD("r2", "r0") FULL_ADD("r3", "r1", "r0")
          HALF_ADD("r4", "r1") HALF_ADD("r5", "r1") HALF_ADD("r6", "r1")
          "subs r7, #20\n"
          "stm r7!, {r2, r3, r4, r5, r6}\n"
          "ldr r0, [sp]\n"
          "ldr r2, [sp, #16]\n"
          "adds r0, r0, r2\n" /* the next channel's counter */
          "2:\n"              /* bits from 10 on */
          "ldr r2, [r7]\n" HALF_ADD("r2", "r1")
          "stm r7!, {r2}\n"
          "cmp r7, r0\n"
          "bne 2b\n"
          "ldr r2, [sp, #4]\n"
          "ldr r3, [sp, #20]\n"
          "adds r2, r2, r3\n"
          "str r2, [sp, #4]\n"
          "str r0, [sp]\n"
          "ldr r3, [sp, #12]\n"
          "cmp r0, r3\n"
          "beq 3f\n"
          "b 1b\n"
          "3:\n"
          "add sp, #40\n"
          "pop {r4-r7}\n"
          "mov r8, r4\n"
          "mov r9, r5\n"
          "mov r10, r6\n"
          "mov r11, r7\n"
          "pop {r4-r7, pc}\n");
}

#else

static void add_rows(const partial_sums *s) {
  const uint32_t *w = s->weights;
  uint32_t *const end = s->first + s->channels * s->planes;
  for (uint32_t *counter = s->first; counter != end; counter += s->planes, w += s->stride) {
    for (int32_t i = 0; i < TAPS * BYTE; i++) {
      const eb_pair *sum = &(*s->rows[i / BYTE])[i % BYTE][w[i / BYTE] >> (TAPS * (i % BYTE) + FIRST_BIT) & 7];
      uint32_t carry = eb_half_add(&counter[0], sum->low);
      carry = eb_full_add(&counter[1], sum->high, carry);
      for (int32_t k = 2; k < s->planes; k++) carry = eb_half_add(&counter[k], carry);
    }
  }
}

#endif

/* ---- rows of the input -------------------------------------------------------------------------------------------- */

/* What is computed along `lanes` columns and down all rows: pixels of `rows` runs lie side by side in a word. */
typedef struct strip {
  const eb_geometry *geometry;
  const uint32_t *image;
  int32_t words, bytes;      /* of a pixel: words, and groups of eight channels */
  int32_t column;            /* of the input, may lie in the padding */
  int32_t rows, apart, lanes;
  uint32_t ends;             /* the lowest bits of the last bytes of runs in a word */
  uint32_t *pixels;          /* [rows][lanes + 2]: a word of each */
} strip;

/* One word of the pixels of an input row, and of those apart from it; 0 in the padding. */
static void read_pixels(const strip *s, int32_t row, int32_t word) {
  const eb_geometry *g = s->geometry;
  uint32_t *to = s->pixels;
  const int32_t count = s->lanes + TAPS - 1;
  EB_ROLLED for (int32_t run = 0; run < s->rows; run++, row += s->apart) {
    uint32_t *const end = to + count;
    if (row >= 0 && row < g->input_height) {
      int32_t x = s->column;
      EB_ROLLED for (; x < 0; x++) *to++ = 0;
      const int32_t left = g->input_width - x, room = (int32_t)(end - to), inside = left < room ? left : room;
      const uint32_t *from = s->image + (row * g->input_width + x) * s->words + word;
      uint32_t *const last = inside > 0 ? to + inside : to;
      EB_ROLLED for (; last - to >= 4; to += 4, from += 4 * s->words) {
        const uint32_t a = from[0], b = from[s->words], c = from[2 * s->words], d = from[3 * s->words];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
      }
      EB_ROLLED for (; to != last; from += s->words) *to++ = *from;
    }
    EB_ROLLED for (; to != end;) *to++ = 0;
  }
}

/* The sums of eight channels: byte `byte` of the pixels that were read. */
static void fill_sums(const strip *s, int32_t byte, sums *to) {
  const uint32_t ends = s->ends, not_last = ~(ends << 7), not_two = ~(ends * 0xc0u);
  const uint8_t *at[4];
  uint32_t planes[BYTE], after = 0, second = 0; /* in the last bytes of runs: the two pixels behind them */
  const uint8_t *next = (const uint8_t *)s->pixels + byte;
  for (int32_t k = 0; k < 4; k++, next += 4 * BYTE) {
    at[k] = next;
    if ((ends >> 8 * k & 1) == 0) continue;
    after |= (uint32_t)next[4 * BYTE] << 8 * k;
    second |= (uint32_t)next[4 * BYTE + 4] << 8 * k;
    next += 4 * (TAPS - 1);
  }
  for (int32_t i = 0; i < BYTE; i++) {
    planes[i] = at[0][4 * i] | (uint32_t)at[1][4 * i] << 8 | (uint32_t)at[2][4 * i] << 16 | (uint32_t)at[3][4 * i] << 24;
  }
  eb_transpose_bytes(planes);
  EB_ROLLED for (int32_t i = 0; i < BYTE; i++, after >>= 1, second >>= 1) {
    const uint32_t plane = planes[i], behind = after & ends;
    const uint32_t middle = (plane >> 1 & not_last) | behind << 7;
    eb_binary_fill_sums(plane, middle, (plane >> 2 & not_two) | behind << 6 | (second & ends) << 7, (*to)[i]);
  }
}

/* The sums of an input row, all channels. */
static void read_row(const strip *s, int32_t row, sums *to) {
  EB_ROLLED for (int32_t i = 0; i < s->bytes; i++, to++) {
    if (i % 4 == 0) read_pixels(s, row, i / 4);
    fill_sums(s, i % 4, to);
  }
}

/* ---- strips ------------------------------------------------------------------------------------------------------- */

/* Some channels of a row of the output; rows: of the sums of three rows of the input, for the first eight channels. */
static void count(const eb_binary_tile *t, const strip *s, sums *const rows[TAPS]) {
  const int32_t stride = TAPS * s->bytes;
  partial_sums p = {.first = t->counters,
                    .planes = t->planes,
                    .channels = t->channels,
                    .weights = (const uint32_t *)t->layer->weights + t->channel * stride,
                    .stride = stride,
                    .rows = {(const sums *)rows[0], (const sums *)rows[1], (const sums *)rows[2]}};
  EB_ROLLED for (int32_t i = 0; i < s->bytes; i++) {
    add_rows(&p);
    p.weights += TAPS;
    for (int32_t r = 0; r < TAPS; r++) p.rows[r]++;
  }
}

void eb_binary_rows(const eb_conv_binary_layer *l, const int32_t *input, int32_t extra_bits, eb_binary_start *start,
                    eb_binary_write *write, void *scratch, void *output) {
  const eb_geometry *g = &l->geometry;
  strip s = {.geometry = g,
             .words = (l->channels_in + 31) / 32,
             .bytes = (l->channels_in + BYTE - 1) / BYTE,
             .rows = EB_LANES / l->columns,
             .lanes = l->columns,
             .pixels = (uint32_t *)scratch};
  s.apart = (g->output_height + s.rows - 1) / s.rows;
  for (int32_t end = s.lanes; end <= EB_LANES; end += s.lanes) s.ends |= (uint32_t)1 << (end - BYTE);
  eb_binary_tile t = {.layer = l,
                      .apart = s.apart,
                      .lanes = s.lanes,
                      .planes = eb_binary_planes(TAPS * TAPS * l->channels_in, extra_bits),
                      .numbers = (int32_t *)s.pixels,
                      .classes = (eb_padding_pixels *)(s.pixels + 2 * EB_LANES),
                      .bits = s.pixels + 2 * EB_LANES};
  sums *const first = (sums *)(s.pixels + 4 * EB_LANES);
  t.counters = (uint32_t *)(first + TAPS * s.bytes);
  for (t.first.batch = 0; t.first.batch < g->batches; t.first.batch++) {
    s.image = (const uint32_t *)input + t.first.batch * g->input_height * g->input_width * s.words;
    for (t.first.column = 0; t.first.column < g->output_width; t.first.column += s.lanes) {
      sums *rows[TAPS] = {first, first + s.bytes, first + 2 * s.bytes};
      s.column = t.first.column - g->pad_left;
      t.pixels = g->output_width - t.first.column < s.lanes ? g->output_width - t.first.column : s.lanes;
      t.runs = s.rows;
      for (int32_t i = 0; i < TAPS - 1; i++) read_row(&s, i - g->pad_top, rows[i + 1]);
      for (t.first.row = 0; t.first.row < s.apart; t.first.row++) {
        sums *const oldest = rows[0];
        rows[0] = rows[1], rows[1] = rows[2], rows[2] = oldest;
        read_row(&s, t.first.row + TAPS - 1 - g->pad_top, oldest);
        while (t.first.row + (t.runs - 1) * s.apart >= g->output_height) t.runs--;
        t.pixel = (t.first.batch * g->output_height + t.first.row) * g->output_width + t.first.column;
        for (t.channel = 0; t.channel < l->channels_out; t.channel += t.channels) {
          t.channels = l->channels_out - t.channel < EB_LANES ? l->channels_out - t.channel : EB_LANES;
          start(&t);
          count(&t, &s, rows);
          write(&t, output);
        }
      }
    }
  }
}
