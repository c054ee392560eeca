/* int8 convolution by smlad: two output channels by two pixels, 14 instructions for 16 multiply-accumulates. */
#include "conv_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

#include "naked.h"
#include "requantize.h"

/* ---- multiply ----------------------------------------------------------------------------------------------------- */

/* What tiles() keeps in memory: all registers are taken while it multiplies. It counts on the order. */
typedef struct tile_state {
  const uint32_t *columns;
  int32_t rounds; /* of four quads each; the first may be shorter, by `skipped` */
  int32_t skipped;
  int8_t *output[2]; /* of each pixel, the first channel */
  const int32_t *constants, *constants_end;
} tile_state;

#define QUAD                          \
  "ldrd r7, r8, [r0], #8          \n" \
  "ldmia.w r1!, {r3, r4, r5, r6}  \n" \
  "sxtb16 r9, r7                  \n" \
  "sxtb16 r7, r7, ror #8          \n" \
  "smlad r10, r9, r3, r10         \n" \
  "smlad r11, r9, r5, r11         \n" \
  "sxtb16 r9, r8                  \n" \
  "smlad r10, r7, r4, r10         \n" \
  "smlad r11, r7, r6, r11         \n" \
  "sxtb16 r8, r8, ror #8          \n" \
  "smlad r12, r9, r3, r12         \n" \
  "smlad lr, r9, r5, lr           \n" \
  "smlad r12, r8, r4, r12         \n" \
  "smlad lr, r8, r6, lr           \n"

/* (acc * multiplier rounded + addend - (acc < 0)) >> shift, saturated: one less for negative numbers rounds halves away from
 * zero. The sign is looked for in acc rather than in the product; they differ where the product is 0, and there one less makes
 * no difference. */
#define OUTPUT(acc, multiplier, addend, shift)      \
  "add r7, " addend ", " acc ", asr #31         \n" \
  "lsl " acc ", " acc ", #1                     \n" \
  "smmlar " acc ", " acc ", " multiplier ", r7  \n" \
  "asr " acc ", " acc ", " shift "              \n" \
  "ssat " acc ", #8, " acc "                    \n"

/* r0: weights. Within a round r1: columns, r2: rounds, r3 to r6: both pixels of a quad, r7 to r9: weights of a quad, r10 and r11:
 * the first channel's sums for both pixels, r12 and lr: the second one's. */
EB_NAKED void tiles(const int8_t *weights EB_UNUSED,
                                                   const tile_state *state EB_UNUSED) {
  __asm__(
      EB_UNIFIED
      "push {r4-r11, lr}          \n"
      "sub sp, sp, #28            \n"
      "ldm r1, {r2-r8}            \n"
      "adr r10, 2f                \n"
      "mov r9, #56                \n" /* the bytes of a QUAD */
      "mla r4, r4, r9, r10        \n"
      "add r4, r4, #1             \n" /* Thumb */
      "stm sp, {r2-r8}            \n"
      "mov r9, r7                 \n"
      "1:                         \n" /* a pair of channels */
      "ldrd r10, r12, [r9], #8    \n"
      "ldrd r1, r2, [sp]          \n"
      "str r9, [sp, #20]          \n"
      "mov r11, r10               \n"
      "mov lr, r12                \n"
      "ldr pc, [sp, #8]           \n"
      ".p2align 2                 \n"
      "2:                         \n" /* a round */
      QUAD QUAD QUAD QUAD
      "subs r2, r2, #1            \n"
      "bne.w 2b                   \n"
      "ldr r9, [sp, #20]          \n"
      "ldm r9!, {r1-r6}           \n"
      OUTPUT("r10", "r1", "r2", "r3")
      OUTPUT("r11", "r1", "r2", "r3")
      OUTPUT("r12", "r4", "r5", "r6")
      OUTPUT("lr", "r4", "r5", "r6")
      "ldrd r1, r2, [sp, #12]     \n"
      "ldr r3, [sp, #24]          \n"
      "strb r10, [r1], #1         \n"
      "strb r12, [r1], #1         \n"
      "strb r11, [r2], #1         \n"
      "strb lr, [r2], #1          \n"
      "strd r1, r2, [sp, #12]     \n"
      "cmp r9, r3                 \n"
      "bne.w 1b                   \n"
      "add sp, sp, #28            \n"
      "pop {r4-r11, pc}           \n");
}

/* What stays the same all over a layer. */
typedef struct constant_parts {
  int32_t quads, pairs, odd; /* of a group */
  int32_t in;                /* channels of all groups */
  int32_t rows;              /* of a window */
  int32_t next_row;          /* bytes from one to the next in the input */
  int32_t width;             /* bytes of one */
  int whole_rows;            /* whether they lie side by side in the input */
  int32_t tops, lefts;       /* a corner (top, left) below these, and not negative, has whole rows within the input */
  uint32_t *columns;
  int8_t *bytes; /* where windows are put together whose rows are no whole words; or 0 */
} constant_parts;

/* The channels of one group for two pixels. */
static void group_outputs(const eb_conv_int8_layer *l, const constant_parts *c, int32_t group, int8_t *first, int8_t *second) {
  const int8_t *weights = l->weights + group * (c->pairs + c->odd) * c->quads * 8;
  const int32_t *constants = l->constants + group * (c->pairs + c->odd) * 8, *end = constants + c->pairs * 8;
  tile_state state = {c->columns, (c->quads + 3) >> 2, -c->quads & 3, {first, second}, constants, end};
  if (c->pairs > 0) tiles(weights, &state);
  if (c->odd) {
    int8_t last[2][2]; /* of each pixel: the last channel, and one that there is not */
    state.output[0] = last[0], state.output[1] = last[1];
    state.constants = end, state.constants_end = end + 8;
    tiles(weights + c->pairs * c->quads * 8, &state);
    first[l->group_out - 1] = last[0][0];
    second[l->group_out - 1] = last[1][0];
  }
}

/* ---- gather ------------------------------------------------------------------------------------------------------- */

#define NOINLINE __attribute__((noinline)) static

/* Rows of words, `next` bytes from the end of one to the next; aligned to 4 if they are four or more; neither number is 0. Every word becomes
 * two, and two are left out for the other pixel. */
NOINLINE uint32_t *expand(const int8_t *from, int32_t words, uint32_t *to, int32_t rows, int32_t next) {
  int32_t count;
  __asm__ volatile(
      "0:                               \n"
      "lsrs %[count], %[words], #2      \n"
      "beq 2f                           \n"
      "1:                               \n"
      "ldm %[from]!, {r3, r4, r5, r6}   \n"
      "sxtb16 r8, r3                    \n"
      "sxtb16 r3, r3, ror #8            \n"
      "strd r8, r3, [%[to]], #16        \n"
      "sxtb16 r8, r4                    \n"
      "sxtb16 r4, r4, ror #8            \n"
      "strd r8, r4, [%[to]], #16        \n"
      "sxtb16 r8, r5                    \n"
      "sxtb16 r5, r5, ror #8            \n"
      "strd r8, r5, [%[to]], #16        \n"
      "sxtb16 r8, r6                    \n"
      "sxtb16 r6, r6, ror #8            \n"
      "strd r8, r6, [%[to]], #16        \n"
      "subs %[count], %[count], #1      \n"
      "bne 1b                           \n"
      "2:                               \n"
      "ands %[count], %[words], #3      \n"
      "beq 4f                           \n"
      "3:                               \n"
      "ldr r3, [%[from]], #4            \n"
      "sxtb16 r8, r3                    \n"
      "sxtb16 r3, r3, ror #8            \n"
      "strd r8, r3, [%[to]], #16        \n"
      "subs %[count], %[count], #1      \n"
      "bne 3b                           \n"
      "4:                               \n"
      "add %[from], %[from], %[next]    \n"
      "subs %[rows], %[rows], #1        \n"
      "bne 0b                           \n"
      : [from] "+r"(from), [to] "+r"(to), [count] "=&r"(count), [rows] "+r"(rows)
      : [words] "r"(words), [next] "r"(next)
      : "r3", "r4", "r5", "r6", "r8", "cc", "memory");
  return to;
}

NOINLINE uint32_t *fill(int32_t value, int32_t words, uint32_t *to) {
  const uint32_t halves = ((uint32_t)value & 0xffff) * 0x10001;
  for (; words > 0; words--, to += 4) to[0] = halves, to[1] = halves;
  return to;
}

NOINLINE int8_t *copy(const int8_t *from, int32_t bytes, int8_t *to) {
  uint32_t word;
  __asm__ volatile(
      "subs %[bytes], %[bytes], #4      \n"
      "blt 2f                           \n"
      "1:                               \n"
      "ldr %[word], [%[from]], #4       \n"
      "subs %[bytes], %[bytes], #4      \n"
      "str %[word], [%[to]], #4         \n"
      "bge 1b                           \n"
      "2:                               \n"
      "adds %[bytes], %[bytes], #4      \n"
      "beq 4f                           \n"
      "3:                               \n"
      "ldrb %[word], [%[from]], #1      \n"
      "subs %[bytes], %[bytes], #1      \n"
      "strb %[word], [%[to]], #1        \n"
      "bne 3b                           \n"
      "4:                               \n"
      : [from] "+r"(from), [to] "+r"(to), [bytes] "+r"(bytes), [word] "=&r"(word)
      :
      : "cc", "memory");
  return to;
}

NOINLINE int8_t *repeat(int32_t value, int32_t bytes, int8_t *to) {
  for (; bytes > 0; bytes--) *to++ = (int8_t)value;
  return to;
}

/* Where the next bytes of a window go: one of both. */
typedef struct target {
  uint32_t *halves;
  int8_t *bytes;
} target;

static inline target put(target to, const int8_t *from, int32_t bytes) {
  if (to.bytes) {
    to.bytes = copy(from, bytes, to.bytes);
  } else {
    to.halves = expand(from, bytes >> 2, to.halves, 1, 0);
  }
  return to;
}

static inline target put_padding(target to, int32_t zero_point, int32_t bytes) {
  if (to.bytes) {
    to.bytes = repeat(zero_point, bytes, to.bytes);
  } else {
    to.halves = fill(zero_point, bytes >> 2, to.halves);
  }
  return to;
}

/* A row of a window, tap by tap. */
NOINLINE target put_taps(const eb_conv_int8_layer *l, const constant_parts *c, const int8_t *row, int32_t left, target to) {
  const eb_geometry *g = &l->geometry;
  for (int32_t tap = 0, x = left; tap < g->filter_width; tap++, x += g->dilation_width) {
    const int inside = x >= 0 && x < g->input_width;
    to = inside ? put(to, row + x * c->in, l->group_in) : put_padding(to, l->input_zero_point, l->group_in);
  }
  return to;
}

/* A pixel of the output: the corner of its window, and what lies there in the input. */
typedef struct place {
  const int8_t *corner;
  int32_t top, left, y, x;
} place;

/* A window of which part is in the padding, or whose rows are not whole. */
NOINLINE target put_pieces(const eb_conv_int8_layer *l, const constant_parts *c, const place *at, const int8_t *corner,
                           target to) {
  const eb_geometry *g = &l->geometry;
  const int32_t before = eb_clamp(-at->left, 0, g->filter_width) * l->group_in; /* where rows are whole */
  const int32_t after = eb_clamp(at->left + g->filter_width - g->input_width, 0, g->filter_width) * l->group_in;
  const int32_t middle = c->width - before - after;
  int32_t y = at->top;
  for (int32_t r = g->filter_height; r > 0; r--, y += g->dilation_height, corner += c->next_row) {
    if (y < 0 || y >= g->input_height) {
      to = put_padding(to, l->input_zero_point, c->width);
    } else if (!c->whole_rows) {
      to = put_taps(l, c, corner - at->left * c->in, at->left, to);
    } else {
      if (before) to = put_padding(to, l->input_zero_point, before);
      if (middle > 0) to = put(to, corner + before, middle);
      if (after) to = put_padding(to, l->input_zero_point, after);
    }
  }
  return to;
}

/* Rows that are no whole words: their words first, row by row, then the bytes behind these, as words of their own. */
NOINLINE void expand_narrow(const int8_t *from, int32_t width, int32_t rows, int32_t next, uint32_t *to) {
  uint32_t last = 0;
  int32_t bits = 0;
  const int8_t *row = from;
  for (int32_t r = rows; r > 0; r--, row += next) {
    for (int32_t i = 0; i + 4 <= width; i += 4, to += 4) {
      const uint32_t word = eb_load_word(row + i);
      to[0] = eb_even_bytes(word), to[1] = eb_odd_bytes(word);
    }
  }
  row = from + (width & ~3);
  for (int32_t r = rows; r > 0; r--, row += next) {
    for (int32_t i = 0; i < (width & 3); i++) {
      last |= ((uint32_t)row[i] & 0xff) << bits;
      bits += 8;
      if (bits < 32) continue;
      to[0] = eb_even_bytes(last), to[1] = eb_odd_bytes(last);
      to += 4, last = 0, bits = 0;
    }
  }
  if (bits) to[0] = eb_even_bytes(last), to[1] = eb_odd_bytes(last);
}

#define ROW_OF_NINE(last)                 \
  "ldr r3, [%[from]]                  \n" \
  "ldr r4, [%[from], #4]              \n" \
  "ldrsb " last ", [%[from], #8]      \n" \
  "add %[from], %[from], %[next]      \n" \
  "sxtb16 r8, r3                      \n" \
  "sxtb16 r3, r3, ror #8              \n" \
  "strd r8, r3, [%[to]], #16          \n" \
  "sxtb16 r8, r4                      \n" \
  "sxtb16 r4, r4, ror #8              \n" \
  "strd r8, r4, [%[to]], #16          \n"

/* The same for 3 x 3 taps of three channels, which is how networks for images begin. */
static inline void expand_nine(const int8_t *from, int32_t next, uint32_t *to) {
  __asm__ volatile(
      ROW_OF_NINE("r5")
      ROW_OF_NINE("r6")
      ROW_OF_NINE("r12")
      "pkhbt r5, r5, r12, lsl #16     \n"
      "uxth r6, r6                    \n"
      "strd r5, r6, [%[to]]           \n"
      : [from] "+r"(from), [to] "+r"(to)
      : [next] "r"(next)
      : "r3", "r4", "r5", "r6", "r8", "r12", "memory");
}

/* The window of a pixel; offset: of the group's first channel. */
static inline void gather(const eb_conv_int8_layer *l, const constant_parts *c, const place *at, int32_t offset,
                          uint32_t *halves) {
  const int8_t *corner = at->corner + offset;
  const int inside = (uint32_t)at->top < (uint32_t)c->tops && (uint32_t)at->left < (uint32_t)c->lefts;
  int32_t next = c->next_row;
  if (!inside) {
    const target to = {halves, c->bytes};
    put_pieces(l, c, at, corner, to);
    if (!c->bytes) return;
    corner = c->bytes, next = c->width;
  } else if (!c->bytes) {
    expand(corner, c->width >> 2, halves, c->rows, next - c->width);
    return;
  }
  if (c->width == 9 && c->rows == 3) {
    expand_nine(corner, next, halves);
  } else if (c->width == 4 || c->width == 8) { /* few words are loaded one by one, at any address */
    expand(corner, c->width >> 2, halves, c->rows, next - c->width);
  } else {
    expand_narrow(corner, c->width, c->rows, next, halves);
  }
}

/* ---- the layer ---------------------------------------------------------------------------------------------------- */

/* From one pixel to the next, the next row, the next image. */
typedef struct moves {
  int32_t pixel, row, image;
} moves;

static inline void advance(const eb_geometry *g, const moves *m, place *at) {
  at->corner += m->pixel;
  at->left += g->stride_width;
  if (++at->x < g->output_width) return;
  at->corner += m->row;
  at->x = 0, at->left = -g->pad_left;
  at->top += g->stride_height;
  if (++at->y < g->output_height) return;
  at->corner += m->image;
  at->y = 0, at->top = -g->pad_top;
}

void eb_conv_int8_dsp(const eb_conv_int8_layer *l, const int8_t *input, int8_t *output, void *scratch) {
  const eb_geometry *g = &l->geometry;
  const int32_t in = l->groups * l->group_in, out = l->groups * l->group_out, row = g->input_width * in;
  const int32_t quads = (g->filter_height * g->filter_width * l->group_in + 3) >> 2;
  const int32_t reach = (g->filter_height - 1) * g->dilation_height;
  const int whole_rows = l->groups == 1 && g->dilation_width == 1;
  const int fits = whole_rows && reach < g->input_height && g->filter_width <= g->input_width;
  uint32_t *columns = scratch;
  const constant_parts c = {
      .quads = quads,
      .pairs = l->group_out >> 1,
      .odd = l->group_out & 1,
      .in = in,
      .rows = g->filter_height,
      .next_row = g->dilation_height * row,
      .width = g->filter_width * l->group_in,
      .whole_rows = whole_rows,
      .tops = fits ? g->input_height - reach : 0,
      .lefts = g->input_width - g->filter_width + 1,
      .columns = columns,
      .bytes = l->group_in & 3 ? (int8_t *)(columns + 4 * quads) : 0,
  };
  const int32_t across = g->output_width * g->stride_width * in, down = g->stride_height * row;
  const moves m = {g->stride_width * in, down - across, g->input_height * row - g->output_height * down};
  place at = {input - g->pad_top * row - g->pad_left * in, -g->pad_top, -g->pad_left, 0, 0};
  for (int32_t left = g->batches * g->output_height * g->output_width; left > 0; left -= 2) {
    place first = at;
    if (left > 1) advance(g, &m, &at); /* else the last one twice */
    int8_t *second = left > 1 ? output + out : output;
    for (int32_t group = 0; group < l->groups; group++) {
      gather(l, &c, &first, group * l->group_in, columns);
      gather(l, &c, &at, group * l->group_in, columns + 2);
      group_outputs(l, &c, group, output + group * l->group_out, second + group * l->group_out);
    }
    advance(g, &m, &at);
    int8_t *behind = second + out;
    if (l->low > -128 || l->high < 127) {
      for (int8_t *value = output; value < behind; value++) *value = (int8_t)eb_clamp(*value, l->low, l->high);
    }
    output = behind;
  }
}
#endif
