#include "conv_binary_channels.h"
#include "naked.h"

/* ---- windows ------------------------------------------------------------------------------------------------------ */

/* Signs one after the other, 30 to a word. */
typedef struct bit_stream {
  uint32_t *to, bits;
  int32_t count;
} bit_stream;

static void append(bit_stream *s, uint32_t bits, int32_t count) {
  while (s->count + count >= EB_WORD_PLANES) {
    const int32_t taken = EB_WORD_PLANES - s->count;
    *s->to++ = (s->bits | bits << s->count) & (((uint32_t)1 << EB_WORD_PLANES) - 1);
    bits >>= taken;
    count -= taken;
    s->bits = 0;
    s->count = 0;
  }
  s->bits |= bits << s->count;
  s->count += count;
}

/* The window of the pixel with this corner, of one group; image: the group's first word. */
static void gather(const eb_conv_binary_layer *l, const uint32_t *image, int32_t top, int32_t left, uint32_t *window) {
  const eb_geometry *g = &l->geometry;
  const int32_t words = (l->channels_in + 31) / 32, group_in = l->channels_in / l->groups;
  bit_stream stream = {window, 0, 0};
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++) {
      const int32_t y = top + r * g->dilation_height, x = left + c * g->dilation_width;
      const int inside = y >= 0 && y < g->input_height && x >= 0 && x < g->input_width;
      const uint32_t *from = image + (inside ? (y * g->input_width + x) * words : 0);
      for (int32_t channel = 0; channel < group_in; channel += 32, from++) {
        append(&stream, inside ? *from : 0, group_in - channel < 32 ? group_in - channel : 32);
      }
    }
  }
  if (stream.count > 0) *stream.to = stream.bits;
}

/* ---- sums --------------------------------------------------------------------------------------------------------- */

/* What is added up: planes of weights, 30 for each word of the window, in counters. The assembler counts on the order. */
typedef struct sums {
  const uint32_t *window, *window_end;
  uint32_t *counters, *counters_end;
  const uint32_t *planes;
} sums;

#if defined(__thumb2__)

/* All registers are taken: r0 to r4 the five lowest bits of the counters, r5 the planes, r6 a word of the window, r7 what is
 * computed between, r8 to lr sums and carries. On the stack: the first four of `sums`, and a register that is put away. */

/* The sum of three planes, flipped by bits of the window: its lower bits in a, the upper ones in b. */
#define SUM(n, a, b, c)                 \
  "ldm r5!, {" a ", " b ", " c "}\n"    \
  "sbfx r7, r6, #(3 * " #n "), #1\n"    \
  "eor " a ", " a ", r7\n"              \
  "sbfx r7, r6, #(3 * " #n " + 1), #1\n" \
  "eor " b ", " b ", r7\n"              \
  "sbfx r7, r6, #(3 * " #n " + 2), #1\n" \
  "eor " c ", " c ", r7\n" FULL_ADD(a, b, c)

EB_NAKED void add(const sums *s EB_UNUSED) {
  __asm__("push {r4-r11, lr}\n"
          "sub sp, sp, #20\n"
          "ldm r0, {r1-r5}\n"
          "stm sp, {r1-r4}\n"
          "ldm r3, {r0-r4}\n"
          "1:\n"
          "ldr r8, [sp]\n"
          "ldr r6, [r8], #4\n"
          "str r8, [sp]\n" SUM(0, "r8", "r9", "r10") SUM(1, "r10", "r11", "r12")
          FULL_ADD("r0", "r8", "r10")                                           /* twos in r8 */
          FULL_ADD("r1", "r9", "r11")                                           /* fours in r9 */
          SUM(2, "r10", "r11", "r12")
          FULL_ADD("r1", "r8", "r11") FULL_ADD("r2", "r9", "r8")                /* eights in r9 */
          SUM(3, "r8", "r11", "r12")
          FULL_ADD("r0", "r10", "r8") FULL_ADD("r1", "r10", "r11")              /* fours in r10 */
          SUM(4, "r8", "r11", "r12"));
  __asm__("str r9, [sp, #16]\n" SUM(5, "r9", "r12", "lr")
          FULL_ADD("r0", "r8", "r9") FULL_ADD("r1", "r11", "r12")               /* twos in r8, fours in r11 */
          "ldr r9, [sp, #16]\n"
          FULL_ADD("r2", "r10", "r11") FULL_ADD("r3", "r9", "r10")              /* sixteens in r9 */
          SUM(6, "r10", "r11", "r12")
          FULL_ADD("r1", "r8", "r11")                                           /* fours in r8 */
          SUM(7, "r11", "r12", "lr")
          FULL_ADD("r0", "r10", "r11") FULL_ADD("r1", "r12", "r10")             /* fours in r12 */
          FULL_ADD("r2", "r8", "r12")                                           /* eights in r8 */
          SUM(8, "r10", "r11", "r12"));
  __asm__("str r9, [sp, #16]\n" SUM(9, "r9", "r12", "lr")
          FULL_ADD("r0", "r10", "r9") FULL_ADD("r1", "r11", "r12")              /* twos in r10, fours in r11 */
          "ldr r9, [sp, #16]\n"
          HALF_ADD("r1", "r10", "r12")                                          /* fours in r12 */
          FULL_ADD("r2", "r11", "r12") FULL_ADD("r3", "r8", "r11")              /* sixteens in r8 */
          FULL_ADD("r4", "r9", "r8")                                            /* the carry in r9 */
          "ldr r8, [sp, #8]\n"
          "add r8, r8, #20\n"
          "ldm r8, {r6, r7, r10, r11, r12, lr}\n" /* bits 5 to 10 */
          HALF_ADD("r6", "r9", "r8") HALF_ADD("r7", "r8", "r9") HALF_ADD("r10", "r9", "r8")
          HALF_ADD("r11", "r8", "r9") HALF_ADD("r12", "r9", "r8") HALF_ADD("lr", "r8", "r9")
          "ldr r8, [sp, #8]\n"
          "add r8, r8, #20\n"
          "stm r8!, {r6, r7, r10, r11, r12, lr}\n"
          "ldr r10, [sp, #12]\n"
          "cmp r8, r10\n"
          "beq 3f\n"
          "2:\n" /* bits from 11 on */
          "ldr r11, [r8]\n"
          "and r12, r11, r9\n"
          "eor r11, r11, r9\n"
          "str r11, [r8], #4\n"
          "mov r9, r12\n"
          "cmp r8, r10\n"
          "bne 2b\n"
          "3:\n"
          "ldrd r8, r9, [sp]\n"
          "cmp r8, r9\n"
          "bne.w 1b\n"
          "ldr r8, [sp, #8]\n"
          "stm r8, {r0-r4}\n"
          "add sp, sp, #20\n"
          "pop {r4-r11, pc}\n");
}

#elif defined(__thumb__)

/* r0: a word of the window, flipped; r1: the planes; r2, r3, r8, r9, r10: the five lowest bits of the counters; r4 to r7: sums and
 * carries, which r11, r12 and lr put away. On the stack as above. */

/* Flips x if the next bit of the window is 1, which is a 0 in r0. */
#define FLIP(x)          \
  "lsrs r0, r0, #1\n"    \
  "sbcs r7, r7\n"        \
  "eors " x ", r7\n"

/* The sum of three planes, flipped by bits of the window: its lower bits in r4, the upper ones in r5. */
#define SUM "ldm r1!, {r4, r5, r6}\n" FLIP("r4") FLIP("r5") FLIP("r6") FULL_ADD("r4", "r5", "r6")

EB_NAKED void add(const sums *s EB_UNUSED) {
  __asm__(UNIFIED "push {r4-r7, lr}\n"
                  "mov r4, r8\n"
                  "mov r5, r9\n"
                  "mov r6, r10\n"
                  "mov r7, r11\n"
                  "push {r4-r7}\n"
                  "sub sp, #20\n"
                  "ldm r0!, {r3, r4, r5, r6, r7}\n"
                  "str r3, [sp]\n"
                  "str r4, [sp, #4]\n"
                  "str r5, [sp, #8]\n"
                  "str r6, [sp, #12]\n"
                  "mov r1, r7\n"
                  "ldm r5!, {r2, r3, r4, r6, r7}\n"
                  "mov r8, r4\n"
                  "mov r9, r6\n"
                  "mov r10, r7\n"
                  "1:\n"
                  "ldr r4, [sp]\n"
                  "ldm r4!, {r0}\n"
                  "str r4, [sp]\n"
                  "mvns r0, r0\n" SUM "mov r11, r4\n"
                  "mov r12, r5\n" SUM "mov r6, r11\n" FULL_ADD("r2", "r4", "r6")        /* twos in r4 */
          "mov r6, r12\n" FULL_ADD("r3", "r5", "r6")                                    /* fours in r5 */
          "mov r11, r4\n"
          "mov r12, r5\n" SUM "mov r6, r11\n" FULL_ADD("r3", "r6", "r5")                /* fours in r6 */
          "mov r5, r12\n" UPPER_ADD("r8", "r5", "r6", "r7")                             /* eights in r5 */
          "mov r12, r5\n"
          "mov r11, r4\n" SUM "mov r6, r11\n" FULL_ADD("r2", "r4", "r6") FULL_ADD("r3", "r5", "r4") /* fours in r5 */
          "mov r11, r5\n");
  __asm__(UNIFIED SUM "mov lr, r4\n"
                      "str r5, [sp, #16]\n" SUM "mov r6, lr\n" FULL_ADD("r2", "r4", "r6")   /* twos in r4 */
          "ldr r6, [sp, #16]\n" FULL_ADD("r3", "r5", "r6")                              /* fours in r5 */
          "mov r6, r11\n" UPPER_ADD("r8", "r6", "r5", "r7")                             /* eights in r6 */
          "mov r5, r12\n" UPPER_ADD("r9", "r5", "r6", "r7")                             /* sixteens in r5 */
          "mov r12, r5\n"
          "mov r11, r4\n" SUM "mov r6, r11\n" FULL_ADD("r3", "r6", "r5")                /* fours in r6 */
          "mov r11, r6\n"
          "mov lr, r4\n" SUM "mov r6, lr\n" FULL_ADD("r2", "r4", "r6") FULL_ADD("r3", "r5", "r4") /* fours in r5 */
          "mov r6, r11\n" UPPER_ADD("r8", "r6", "r5", "r7")                             /* eights in r6 */
          "mov r11, r6\n");
  __asm__(UNIFIED SUM "mov lr, r4\n"
                      "str r5, [sp, #16]\n" SUM "mov r6, lr\n" FULL_ADD("r2", "r4", "r6")   /* twos in r4 */
          "ldr r6, [sp, #16]\n" FULL_ADD("r3", "r5", "r6") HALF_ADD("r3", "r4")         /* fours in r4 and r5 */
          UPPER_ADD("r8", "r5", "r4", "r7")                                             /* eights in r5 */
          "mov r6, r11\n" UPPER_ADD("r9", "r6", "r5", "r7")                             /* sixteens in r6 */
          "mov r5, r12\n" UPPER_ADD("r10", "r5", "r6", "r7")                            /* the carry in r5 */
          "ldr r7, [sp, #8]\n"
          "adds r7, #20\n"
          "ldr r6, [sp, #12]\n"
          "2:\n" /* bits from 5 on */
          "ldr r4, [r7]\n" HALF_ADD("r4", "r5") "stm r7!, {r4}\n"
          "cmp r7, r6\n"
          "bne 2b\n"
          "ldr r4, [sp]\n"
          "ldr r5, [sp, #4]\n"
          "cmp r4, r5\n"
          "beq 3f\n"
          "b 1b\n"
          "3:\n"
          "ldr r7, [sp, #8]\n"
          "mov r4, r8\n"
          "mov r5, r9\n"
          "mov r6, r10\n"
          "stm r7!, {r2, r3, r4, r5, r6}\n"
          "add sp, #20\n"
          "pop {r4-r7}\n"
          "mov r8, r4\n"
          "mov r9, r5\n"
          "mov r10, r6\n"
          "mov r11, r7\n"
          "pop {r4-r7, pc}\n");
}

#else

/* Of plane k, or of all its bits flipped if bit k of w is 1. */
#define FLIPPED(k) (planes[k] ^ (0 - (w >> (k)&1)))

EB_SLICES_INLINE eb_pair sum_of(uint32_t a, uint32_t b, uint32_t c) {
  eb_pair sum = {a, 0};
  sum.high = eb_full_add(&sum.low, b, c);
  return sum;
}

#define SUM(n) sum_of(FLIPPED(3 * (n)), FLIPPED(3 * (n) + 1), FLIPPED(3 * (n) + 2))

static void add(const sums *a) {
  uint32_t *const s = a->counters, low[5] = {s[0], s[1], s[2], s[3], s[4]};
  const uint32_t *planes = a->planes;
  EB_ROLLED for (const uint32_t *from = a->window; from != a->window_end; from++, planes += EB_WORD_PLANES) {
    const uint32_t w = *from;
    uint32_t carry;
    EB_ADD_TEN(low, SUM, carry);
    EB_ROLLED for (uint32_t *upper = s + 5; upper != a->counters_end; upper++) carry = eb_half_add(upper, carry);
  }
  s[0] = low[0], s[1] = low[1], s[2] = low[2], s[3] = low[3], s[4] = low[4];
}

#endif

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

void eb_binary_start_block_zero(const eb_binary_block *b) {
  EB_ROLLED for (int32_t i = 0; i < b->planes; i++) b->counters[i] = 0;
}

void eb_binary_blocks(const eb_conv_binary_layer *l, const int32_t *input, int32_t extra_bits, eb_binary_start_block *start,
                      eb_binary_write_block *write, void *scratch, void *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t group_in = l->channels_in / l->groups, products = g->filter_height * g->filter_width * group_in;
  const int32_t image = g->input_height * g->input_width * ((l->channels_in + 31) / 32);
  const int32_t words = (products + EB_WORD_PLANES - 1) / EB_WORD_PLANES, blocks = (l->channels_out + 31) / 32;
  const int32_t group_blocks = blocks / l->groups;
  uint32_t counters[18], *const window = (uint32_t *)scratch;
  eb_binary_block b = {.layer = l, .blocks = blocks, .planes = eb_binary_planes(products, extra_bits), .counters = counters};
  for (int32_t n = 0; n < g->batches; n++) {
    for (int32_t row = 0; row < g->output_height; row++) {
      for (int32_t column = 0; column < g->output_width; column++, b.pixel++) {
        const int32_t top = row * g->stride_height - g->pad_top, left = column * g->stride_width - g->pad_left;
        b.padding_class = eb_binary_padding_class(&l->padding, row, column);
        for (b.block = 0; b.block < blocks; b.block++) {
          const int32_t group = b.block / group_blocks;
          if (b.block == group * group_blocks) {
            gather(l, (const uint32_t *)input + n * image + group * (group_in / 32), top, left, window);
          }
          start(&b);
          const uint32_t *planes = (const uint32_t *)l->weights + b.block * words * EB_WORD_PLANES;
          const sums s = {window, window + words, counters, counters + b.planes, planes};
          add(&s);
          write(&b, output);
        }
      }
    }
  }
}
