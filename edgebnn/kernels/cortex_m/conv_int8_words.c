/* int8 convolution without the DSP extension: one output channel by four pixels, whose values lie as words side by side, so that
 * one instruction loads them. A window is taken in parts, for which all channels are summed before the next part is gathered:
 * that keeps the words few. */
#include "conv_int8.h"

#if defined(__thumb__) && defined(__ARM_ARCH_PROFILE) && !defined(__ARM_FEATURE_DSP)
#if __ARM_ARCH_PROFILE == 'M'
#define EB_MULTIPLIES_WORDS 1
#endif
#endif

#if defined(EB_MULTIPLIES_WORDS)

#include "naked.h"
#include "requantize.h"

enum { PIXELS = 4 };

/* ---- multiply ----------------------------------------------------------------------------------------------------- */

#if defined(__ARM_ARCH_7M__)
#define WEIGHT(step)             \
  "ldrsb r3, [r0], #1        \n" \
  "ldm r1!, {r4-r7}          \n" \
  "mla r8, r4, r3, r8        \n" \
  "mla r9, r5, r3, r9        \n" \
  "mla r10, r6, r3, r10      \n" \
  "mla r11, r7, r3, r11      \n"
#define NEXT_FOUR "adds r2, r2, #4 \n"
#define FIRST_WEIGHT ""
#else
#define WEIGHT(step)             \
  "ldrsb r3, [r0, r2]        \n" \
  "ldm r1!, {r4-r7}          \n" \
  "muls r4, r3, r4           \n" \
  "add r8, r4                \n" \
  "muls r5, r3, r5           \n" \
  "add r9, r5                \n" \
  "muls r6, r3, r6           \n" \
  "add r10, r6               \n" \
  "muls r7, r3, r7           \n" \
  "add r11, r7               \n" \
  "adds r2, r2, #1           \n"
#define NEXT_FOUR ""
#define FIRST_WEIGHT "subs r0, r0, r2 \n" /* behind the last one; r2 counts up to 0 */
#endif

/* Adds a part of all channels to their sums, four each. r0: weights, r1: columns, r2: minus the number of weights of a channel, a
 * multiple of 4, r3: sums; on the stack the end of the sums. Within, r3: a weight, r4 to r7: pixels, r8 to r11: sums. */
EB_NAKED void add_part(const int8_t *weights EB_UNUSED,
                                                      const int32_t *columns EB_UNUSED,
                                                      int32_t minus_count EB_UNUSED,
                                                      int32_t *sums EB_UNUSED,
                                                      int32_t *sums_end EB_UNUSED) {
  __asm__(
      EB_UNIFIED
      "push {r4-r7, lr}          \n"
      "mov r4, r8                \n"
      "mov r5, r9                \n"
      "mov r6, r10               \n"
      "mov r7, r11               \n"
      "push {r1, r2, r4-r7}      \n"
      "mov r12, r3               \n"
      "1:                        \n" /* a channel */
      "mov r3, r12               \n"
      "ldm r3!, {r4-r7}          \n"
      "mov r8, r4                \n"
      "mov r9, r5                \n"
      "mov r10, r6               \n"
      "mov r11, r7               \n"
      "ldr r1, [sp]              \n"
      "ldr r2, [sp, #4]          \n"
      FIRST_WEIGHT
      "2:                        \n"
      WEIGHT("0") WEIGHT("1") WEIGHT("2") WEIGHT("3")
      NEXT_FOUR
      "bne 2b                    \n"
      "mov r4, r8                \n"
      "mov r5, r9                \n"
      "mov r6, r10               \n"
      "mov r7, r11               \n"
      "mov r3, r12               \n"
      "stm r3!, {r4-r7}          \n"
      "mov r12, r3               \n"
      "ldr r4, [sp, #44]         \n" /* sums_end */
      "cmp r3, r4                \n"
      "bne 1b                    \n"
      "pop {r1, r2, r4-r7}       \n"
      "mov r8, r4                \n"
      "mov r9, r5                \n"
      "mov r10, r6               \n"
      "mov r11, r7               \n"
      "pop {r4-r7, pc}           \n");
}

/* ---- gather ------------------------------------------------------------------------------------------------------- */

/* A pixel of the output: the corner of its window, and what lies there in the input. */
typedef struct place {
  const int8_t *corner;
  int32_t top, left, y, x;
} place;

/* Windows as runs of bytes: their rows where these lie side by side in the input, else their taps. */
typedef struct runs {
  int32_t bytes;
  int32_t row;   /* bytes of a row of the input */
  int32_t in;    /* of a pixel */
  int whole;
} runs;

/* Where in the window the next part begins. */
typedef struct cursor {
  int32_t row, column, offset; /* column: of the tap; 0 where rows are whole */
} cursor;

static int32_t *put(const int8_t *from, int32_t count, int32_t *to) {
  for (const int8_t *end = from + count; from != end; to += PIXELS) *to = *from++;
  return to;
}

static int32_t *put_padding(int32_t value, int32_t count, int32_t *to) {
  for (; count > 0; count--, to += PIXELS) *to = value;
  return to;
}

/* Bytes [offset, offset + count) of the run at the cursor, count not 0. */
static int32_t *put_run(const eb_conv_int8_layer *l, const runs *r, const place *at, cursor c, int32_t count, int32_t *to) {
  const eb_geometry *g = &l->geometry;
  const int32_t y = at->top + c.row * g->dilation_height, x = at->left + c.column * g->dilation_width;
  const int8_t *run = at->corner + c.row * g->dilation_height * r->row + c.column * g->dilation_width * r->in;
  if (y < 0 || y >= g->input_height) return put_padding(l->input_zero_point, count, to);
  /* The part of the run that lies within the row of the input, from its first byte on. */
  int32_t begin = x < 0 ? -x * r->in : 0, end = (g->input_width - x) * r->in;
  if (!r->whole) begin = begin > 0 ? r->bytes : 0, end = end > 0 ? r->bytes : 0;
  begin = eb_clamp(begin - c.offset, 0, count);
  end = eb_clamp(end - c.offset, begin, count);
  if (begin > 0) to = put_padding(l->input_zero_point, begin, to);
  if (end > begin) to = put(run + c.offset + begin, end - begin, to);
  return put_padding(l->input_zero_point, count - end, to);
}

/* The next `count` bytes of a window. */
static cursor put_part(const eb_conv_int8_layer *l, const runs *r, const place *at, cursor c, int32_t count, int32_t *to) {
  while (count > 0) {
    const int32_t piece = count < r->bytes - c.offset ? count : r->bytes - c.offset;
    to = put_run(l, r, at, c, piece, to);
    count -= piece;
    c.offset += piece;
    if (c.offset < r->bytes) break;
    c.offset = 0;
    if (r->whole || ++c.column == l->geometry.filter_width) c.column = 0, c.row++;
  }
  return c;
}

/* ---- the layer ---------------------------------------------------------------------------------------------------- */

static void advance(const eb_geometry *g, const runs *r, place *at) {
  at->corner += g->stride_width * r->in;
  at->left += g->stride_width;
  if (++at->x < g->output_width) return;
  at->corner -= g->output_width * g->stride_width * r->in;
  at->corner += g->stride_height * r->row;
  at->x = 0, at->left = -g->pad_left;
  at->top += g->stride_height;
  if (++at->y < g->output_height) return;
  at->corner += (g->input_height - g->output_height * g->stride_height) * r->row;
  at->y = 0, at->top = -g->pad_top;
}

/* One group of channels for up to four pixels; constants: [channels][4]. */
static void group_outputs(const eb_conv_int8_layer *l, int32_t pixels, const int32_t *sums, const int32_t *constants,
                          int8_t *output) {
  const int32_t out = l->groups * l->group_out;
  for (int32_t o = 0; o < l->group_out; o++, constants += 4, sums += PIXELS, output++) {
    const int32_t multiplier = constants[1], addend = constants[2], shift = constants[3];
    int8_t *to = output;
    for (int32_t p = 0; p < pixels; p++, to += out) {
      /* Halves away from zero: one less where the sum is negative; see conv_int8_dsp.c. */
      const int32_t scaled = (eb_high_mul(sums[p], multiplier) + addend + (sums[p] >> 31)) >> shift;
      *to = (int8_t)eb_clamp(scaled, l->low, l->high);
    }
  }
}

void eb_conv_int8_words(const eb_conv_int8_layer *l, const int8_t *input, int8_t *output, void *scratch) {
  const eb_geometry *g = &l->geometry;
  const int32_t in = l->groups * l->group_in, out = l->groups * l->group_out;
  const int whole = l->groups == 1 && g->dilation_width == 1;
  const runs r = {whole ? g->filter_width * in : l->group_in, g->input_width * in, in, whole};
  const int32_t taps = g->filter_height * g->filter_width * l->group_in, part = l->part;
  int32_t *sums = scratch, *sums_end = sums + PIXELS * l->group_out, *columns = sums_end;
  place at[PIXELS];
  at[0] = (place){input - g->pad_top * r.row - g->pad_left * in, -g->pad_top, -g->pad_left, 0, 0};
  for (int32_t left = g->batches * g->output_height * g->output_width; left > 0; left -= PIXELS) {
    const int32_t pixels = left < PIXELS ? left : PIXELS;
    for (int32_t p = 1; p < PIXELS; p++) {
      at[p] = at[p - 1];
      if (p < pixels) advance(g, &r, &at[p]); /* else the last one once more */
    }
    const int8_t *weights = l->weights;
    const int32_t *constants = l->constants;
    for (int32_t group = 0; group < l->groups; group++) {
      for (int32_t o = 0, *sum = sums; o < l->group_out; o++) {
        for (int32_t p = 0; p < PIXELS; p++) *sum++ = constants[4 * o];
      }
      cursor from = {0, 0, 0};
      for (int32_t done = 0; done < taps; done += part) {
        const int32_t count = taps - done < part ? taps - done : part, padded = (count + 3) & ~3;
        cursor next = from;
        for (int32_t p = 0; p < PIXELS; p++) {
          place shifted = at[p];
          shifted.corner += group * l->group_in;
          next = put_part(l, &r, &shifted, from, count, columns + p);
          if (padded > count) put_padding(0, padded - count, columns + PIXELS * count + p);
        }
        from = next;
        add_part(weights, columns, -padded, sums, sums_end);
        weights += padded * l->group_out;
      }
      group_outputs(l, pixels, sums, constants, output + group * l->group_out);
      constants += 4 * l->group_out;
    }
    output += pixels * out;
    at[0] = at[PIXELS - 1];
    advance(g, &r, &at[0]);
  }
}
#endif
