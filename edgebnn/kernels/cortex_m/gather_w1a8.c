#include "gather_w1a8.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

/* x + 128 of four bytes. */
#define FLIP 0x80808080u

/* Keeps a compiler from unrolling a loop, which costs flash and here no time to speak of. */
#define ROLLED(counter) __asm__("" : "+r"(counter))

/* Four channels of a pixel. */
typedef uint32_t __attribute__((may_alias)) quad;

static inline uint32_t *fill_words(uint32_t *to, uint32_t zeros, int32_t words) {
  for (; words > 0; words--, to += EB_W1A8_PIXELS) {
    *to = zeros;
    ROLLED(words);
  }
  return to;
}

static inline uint32_t *copy_words(uint32_t *to, const quad *from, int32_t words) {
#if !defined(__ARM_ARCH_6M__)
  /* Four at a time: compilers load them one by one. */
  for (words -= 4; words >= 0; words -= 4) {
    __asm__ volatile(
        "ldmia %[from]!, {r8, r9, r10, r11}\n\t"
        "eor r8, r8, #0x80808080\n\t"
        "eor r9, r9, #0x80808080\n\t"
        "eor r10, r10, #0x80808080\n\t"
        "eor r11, r11, #0x80808080\n\t"
        "str r8, [%[to]], #16\n\t"
        "str r9, [%[to]], #16\n\t"
        "str r10, [%[to]], #16\n\t"
        "str r11, [%[to]], #16"
        : [from] "+r"(from), [to] "+r"(to)
        :
        : "r8", "r9", "r10", "r11", "memory");
  }
  words += 4;
#endif
  for (; words > 0; words--, to += EB_W1A8_PIXELS) {
    *to = *from++ ^ FLIP;
    ROLLED(words);
  }
  return to;
}

/* Channels in whole words, and the taps of a row one behind the other: a row is padding, pixels, padding. */
static void take_rows(const eb_w1a8_walk *walk, uint32_t *to, const int8_t *image, int32_t y, int32_t x) {
  const eb_conv_w1a8_sums *layer = walk->layer;
  const eb_geometry *g = &layer->geometry;
  const uint32_t zeros = layer->zeros;
  const int32_t words = (int32_t)((uint32_t)layer->depth / 4), taps = g->filter_width, room = g->input_width - x;
  int32_t begin = x < 0 ? -x : 0, end = room < taps ? room : taps;
  if (begin >= end) begin = end = taps; /* the whole row lies beside the image */
  const int32_t before = begin * words, inside = (end - begin) * words, behind = (taps - end) * words;
  const int32_t pitch = g->input_width * words;
  const quad *row = (const quad *)(const void *)image + y * pitch + (x + begin) * words;
  for (int32_t r = g->filter_height; r > 0; r--) {
    if (y < 0 || y >= g->input_height) {
      to = fill_words(to, zeros, taps * words);
    } else {
      to = fill_words(to, zeros, before);
      to = copy_words(to, row, inside);
      to = fill_words(to, zeros, behind);
    }
    y += g->dilation_height;
    row += pitch * g->dilation_height;
    ROLLED(r);
  }
}

#if !defined(__ARM_ARCH_6M__)
/* Whole windows of all pixels. */
static void fill_blocks(uint32_t *to, uint32_t zeros, int32_t words) {
  for (; words > 0; words -= EB_W1A8_PIXELS, to += EB_W1A8_PIXELS) {
    to[0] = to[1] = to[2] = to[3] = zeros;
    ROLLED(words);
  }
}

/* Windows of three columns, one column from pixel to pixel: six columns of pixels, most of which several windows hold. Each word
 * is loaded once; the assembly knows the offsets. */
typedef struct columns {
  const quad *first;  /*  0: column 0 of the six */
  const quad *second; /*  4: column 1; 2 to 4 lie behind it */
  const quad *last;   /*  8: column 5 */
  uint32_t *to;       /* 12 */
  int32_t tap;        /* 16: bytes from one tap to the next */
  int32_t words;      /* 20: of a pixel */
  int32_t pixel;      /* 24: bytes of a pixel */
  int32_t skip;       /* 28: bytes from the end of a row's pixel to the next row */
  int32_t rows;       /* 32 */
} columns;

#define WORD(from, stores) \
  "ldr.w r11, [" from "], #4\n\t" \
  "eor r11, r11, #0x80808080\n\t" stores

#define STORE(to, at) "str.w r11, [" to "]" at "\n\t"

/* r0 the struct, r1 to r6 columns, r7 to r9 taps, r10 words that are left, r11 a word, r12 and lr for a moment. */
__attribute__((naked)) static void take_columns(columns *c __attribute__((unused))) {
  __asm__ volatile(
      "push {r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}\n\t"
      "ldrd r1, r2, [r0]\n\t"
      "ldrd r6, r9, [r0, #8]\n\t"
      "1:\n\t"
      "mov r7, r9\n\t"
      "ldrd lr, r10, [r0, #16]\n\t"
      "add.w r8, r7, lr\n\t"
      "add.w r9, r8, lr\n\t"
      "ldr r12, [r0, #24]\n\t"
      "add.w r3, r2, r12\n\t"
      "add.w r4, r3, r12\n\t"
      "add.w r5, r4, r12\n\t"
      "2:\n\t"
      WORD("r6", STORE("r9, #12", ""))
      WORD("r5", STORE("r9, #8", "") STORE("r8, #12", ""))
      WORD("r4", STORE("r9, #4", "") STORE("r8, #8", "") STORE("r7, #12", ""))
      WORD("r3", STORE("r9", ", #16") STORE("r8, #4", "") STORE("r7, #8", ""))
      WORD("r2", STORE("r8", ", #16") STORE("r7, #4", ""))
      WORD("r1", STORE("r7", ", #16"))
      "subs r10, #1\n\t"
      "bne 2b\n\t"
      "ldrd r12, lr, [r0, #28]\n\t"
      "add r1, r12\n\t"
      "add r2, r12\n\t"
      "add r6, r12\n\t"
      "subs.w lr, lr, #1\n\t"
      "str.w lr, [r0, #32]\n\t"
      "bne 1b\n\t"
      "pop {r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}");
}

/* Whether the windows of a block are such, and but for a first and a last column within the width of the image. */
static int are_columns(const eb_w1a8_walk *walk) {
  const eb_geometry *g = &walk->layer->geometry;
  const int32_t x = walk->first.x;
  return walk->first.columns >= EB_W1A8_PIXELS && walk->take == take_rows && g->filter_width == 3 &&
         g->stride_width == 1 && x >= -1 && x + 4 < g->input_width;
}

static void gather_columns(const eb_w1a8_walk *walk, uint32_t *windows) {
  const eb_conv_w1a8_sums *layer = walk->layer;
  const eb_geometry *g = &layer->geometry;
  const int32_t words = (int32_t)((uint32_t)layer->depth / 4), row = 3 * EB_W1A8_PIXELS * words, x = walk->first.x;
  const int32_t step = g->dilation_height;
  int32_t y = walk->first.y, r = g->filter_height;
  for (; r > 0 && y < 0; r--, y += step, windows += row) fill_blocks(windows, layer->zeros, row);
  columns c;
  c.rows = r;
  for (int32_t last = y + (r - 1) * step; c.rows > 0 && last >= g->input_height; last -= step) c.rows--;
  c.second = (const quad *)(const void *)walk->first.image + (y * g->input_width + x + 1) * words;
  c.first = x < 0 ? c.second : c.second - words;
  c.last = c.second + (x + 5 < g->input_width ? 4 : 3) * words;
  c.to = windows;
  c.words = words;
  c.pixel = 4 * words;
  c.tap = 16 * words;
  c.skip = (step * g->input_width - 1) * c.pixel;
  r -= c.rows;
  const int32_t rows = c.rows;
  if (rows > 0) take_columns(&c);
  if (x < 0 || x + 5 >= g->input_width) {
    uint32_t *to = windows;
    for (int32_t i = rows; i > 0; i--, to += row) {
      if (x < 0) fill_words(to, layer->zeros, words);
      if (x + 5 >= g->input_width) fill_words(to + row - EB_W1A8_PIXELS * words + 3, layer->zeros, words);
      ROLLED(i);
    }
  }
  for (windows += row * rows; r > 0; r--, windows += row) fill_blocks(windows, layer->zeros, row);
}
#endif

/* Channels in whole words, tap by tap. */
static void take_taps(const eb_w1a8_walk *walk, uint32_t *to, const int8_t *image, int32_t y, int32_t x) {
  const eb_conv_w1a8_sums *layer = walk->layer;
  const eb_geometry *g = &layer->geometry;
  const int32_t words = (int32_t)((uint32_t)layer->depth / 4), channels = layer->depth * layer->groups;
  const int32_t right = x + g->filter_width * g->dilation_width;
  for (int32_t r = g->filter_height; r > 0; r--, y += g->dilation_height) {
    const int inside = y >= 0 && y < g->input_height;
    for (int32_t column = x; column < right; column += g->dilation_width) {
      const int8_t *from = image + (y * g->input_width + column) * channels;
      if (inside && column >= 0 && column < g->input_width) {
        to = copy_words(to, (const quad *)(const void *)from, words);
      } else {
        to = fill_words(to, layer->zeros, words);
      }
      ROLLED(column);
    }
  }
}

/* A window tap by tap and byte by byte. */
static void take_bytes(const eb_w1a8_walk *walk, uint32_t *to, const int8_t *image, int32_t y, int32_t x) {
  const eb_conv_w1a8_sums *layer = walk->layer;
  const eb_geometry *g = &layer->geometry;
  const int32_t channels = layer->depth * layer->groups;
  int32_t bytes = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++) {
      const int32_t row = y + r * g->dilation_height, column = x + c * g->dilation_width;
      const int inside = row >= 0 && row < g->input_height && column >= 0 && column < g->input_width;
      const int8_t *from = image + (row * g->input_width + column) * channels;
      for (int32_t i = 0; i < layer->depth; i++) {
        ((uint8_t *)to)[bytes++] = (uint8_t)(inside ? (uint8_t)from[i] ^ 0x80u : layer->zeros);
        if (bytes == 4) {
          bytes = 0;
          to += EB_W1A8_PIXELS;
        }
        ROLLED(bytes);
      }
    }
  }
  while (bytes & 3) ((uint8_t *)to)[bytes++] = 0;
}

void eb_w1a8_gather(const eb_w1a8_walk *walk, int32_t group, uint32_t *windows) {
#if !defined(__ARM_ARCH_6M__)
  if (are_columns(walk)) {
    gather_columns(walk, windows);
    return;
  }
#endif
  eb_w1a8_place place = walk->first;
  const int32_t channel = group * walk->layer->depth;
  for (int32_t p = 0; p < walk->count; p++) {
    walk->take(walk, windows + p, place.image + channel, place.y, place.x);
    eb_w1a8_advance(walk->layer, &place, 1);
    ROLLED(p);
  }
}

eb_w1a8_walk eb_w1a8_start(const eb_conv_w1a8_sums *layer, const int8_t *input) {
  const eb_geometry *g = &layer->geometry;
  const int whole = (layer->depth & 3) == 0 && ((uintptr_t)input & 3) == 0;
  eb_w1a8_walk walk;
  walk.layer = layer;
  walk.take = !whole ? take_bytes : layer->groups == 1 && g->dilation_width == 1 ? take_rows : take_taps;
  walk.next.image = input;
  walk.next.y = -g->pad_top;
  walk.next.x = -g->pad_left;
  walk.next.columns = g->output_width;
  walk.next.rows = g->output_height;
  walk.next.images = g->batches;
  walk.first = walk.next;
  walk.count = 0;
  return walk;
}

void eb_w1a8_advance(const eb_conv_w1a8_sums *layer, eb_w1a8_place *place, int32_t pixels) {
  const eb_geometry *g = &layer->geometry;
  place->columns -= pixels;
  place->x += pixels * g->stride_width;
  if (place->columns > 0) return;
  place->columns = g->output_width;
  place->x = -g->pad_left;
  place->y += g->stride_height;
  if (--place->rows > 0) return;
  place->rows = g->output_height;
  place->y = -g->pad_top;
  place->image += g->input_height * g->input_width * layer->depth * layer->groups;
  place->images--;
}

int32_t eb_w1a8_next(eb_w1a8_walk *walk) {
  walk->first = walk->next;
  walk->count = 0;
  if (walk->next.images > 0 && walk->next.columns >= EB_W1A8_PIXELS) {
    walk->count = EB_W1A8_PIXELS;
    eb_w1a8_advance(walk->layer, &walk->next, EB_W1A8_PIXELS);
    return EB_W1A8_PIXELS;
  }
  while (walk->next.images > 0 && walk->count < EB_W1A8_PIXELS) {
    walk->count++;
    eb_w1a8_advance(walk->layer, &walk->next, 1);
  }
  return walk->count;
}

#endif
