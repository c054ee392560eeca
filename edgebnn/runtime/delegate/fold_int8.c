/* Int8 in front of signs: what makes of each value another by its channel (a batch normalization that the converter has written
 * as a depthwise layer of single pixels) is not computed for signs, nor is a concatenation copied for them. LceQuantize reads
 * what lies in front, each part of the channels where it is, and compares with a threshold of the channel, found by trying all
 * 256 values.
 *
 * Each LceQuantize looks past all that it can; ops that nothing reads any longer leave. The others are computed as ever. */
#include <stdlib.h>
#include <string.h>

#include "fusion.h"
#include "op_kinds.h"

/* Some channels of what becomes signs, as they are read. */
typedef struct {
  eb_read read;
  int begin, channels;
} sign_part;

/* What an LceQuantize reads, while it looks past ops. */
typedef struct {
  sign_part parts[EB_MOST_READ];
  int count;
  uint8_t (*negative)[256]; /* of each channel: whether each value from -128 on becomes negative */
} signs;

static bool takes_int8_signs(const LiteContext *context, const eb_op *op) {
  return op->kind == &eb_kind_quantize && context->tensors[op->reads[0].tensor].type == LITE_INT8;
}

/* As LceQuantize has it. False: no memory. */
static bool begin_signs(const LiteContext *context, const eb_op *op, signs *s) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const int channels = input->dims->size < 1 ? 0 : input->dims->data[input->dims->size - 1];
  s->count = 1;
  s->parts[0] = (sign_part){op->reads[0], 0, channels};
  s->negative = malloc(((size_t)channels + 1) * sizeof *s->negative);
  if (s->negative == NULL) return false;
  for (int c = 0; c < channels; c++) {
    for (int i = 0; i < 256; i++) s->negative[c][i] = i - 128 < input->params.zero_point;
  }
  return true;
}

/* The signs of what the op makes of each value. */
static void map_signs(const LiteContext *context, const eb_op *op, const sign_part *part, signs *s) {
  for (int c = 0; c < part->channels; c++) {
    int8_t map[256];
    uint8_t *negative = s->negative[part->begin + c], of_map[256];
    eb_int8_fill_map(context, op, c, map);
    memcpy(of_map, negative, sizeof of_map);
    for (int i = 0; i < 256; i++) negative[i] = of_map[map[i] + 128];
  }
}

/* Puts the parts of a concatenation in the place of part `at`. */
static void split(const eb_op *concat, int at, signs *s) {
  const int more = concat->read_count - 1;
  int begin = s->parts[at].begin;
  memmove(s->parts + at + 1 + more, s->parts + at + 1, (size_t)(s->count - at - 1) * sizeof *s->parts);
  for (int i = 0; i < concat->read_count; begin += concat->as.concat.channels[i++])
    s->parts[at + i] = (sign_part){concat->reads[i], begin, concat->as.concat.channels[i]};
  s->count += more;
}

/* Whether part `at` is now what the op that gives it reads. */
static bool look_past(const LiteContext *context, const eb_op *front, int at, signs *s) {
  if (eb_concat_is_int8(front)) {
    if (s->count + front->read_count - 1 > EB_MOST_READ) return false;
    split(front, at, s);
    return true;
  }
  if (!eb_int8_maps_values(front)) return false;
  map_signs(context, front, &s->parts[at], s);
  s->parts[at].read = front->reads[0];
  return true;
}

/* Past all that can be, or the most that can be noted. */
static void look_past_all(const eb_partition *partition, const LiteContext *context, int index, signs *s,
                          eb_sign_mark *marks) {
  int passed = 0;
  for (int at = 0; at < s->count && passed < EB_MOST_JOINED;) {
    const int front = s->parts[at].read.op;
    if (front < 0 || !look_past(context, &partition->ops[front], at, s)) {
      at++;
      continue;
    }
    passed++;
    if (marks[front].taker == EB_OUTSIDE) marks[front].taker = index;
  }
}

/* One allocation has all; those of each part begin with a word. NULLs: no memory. */
static eb_int8_thresholds allocate_thresholds(const signs *s) {
  size_t words = 0;
  for (int i = 0; i < s->count; i++) words += (size_t)eb_packed_words(s->parts[i].channels);
  uint32_t *memory = malloc(words * (sizeof(uint32_t) + 32));
  if (memory == NULL) return (eb_int8_thresholds){0};
  memset(memory, 0, words * sizeof *memory);
  memset(memory + words, -128, words * 32);
  return (eb_int8_thresholds){(int8_t *)(memory + words), memory};
}

/* EB_UNSUPPORTED: a channel has no threshold. */
static eb_status find_thresholds(const signs *s, const eb_int8_thresholds *found) {
  size_t word = 0;
  for (int i = 0; i < s->count; i++) {
    const sign_part *part = &s->parts[i];
    for (int c = 0; c < part->channels; c++) {
      int32_t turned;
      const eb_status status =
          eb_int8_threshold_find(s->negative[part->begin + c], &found->limit[32 * word + (size_t)c], &turned);
      if (status != EB_OK) return status;
      found->turned[word + (size_t)c / 32] |= (uint32_t)turned << c % 32;
    }
    word += (size_t)eb_packed_words(part->channels);
  }
  return EB_OK;
}

/* False: no memory. */
static bool take_parts(const signs *s, eb_op *op) {
  const eb_int8_thresholds found = allocate_thresholds(s);
  if (found.limit == NULL) return false;
  if (find_thresholds(s, &found) != EB_OK) {
    free(found.turned);
    return true; /* it stays as it was */
  }
  op->as.quantize.int8_thresholds = found;
  op->read_count = s->count;
  for (int i = 0; i < s->count; i++) {
    op->reads[i] = s->parts[i].read;
    op->as.quantize.channels[i] = s->parts[i].channels;
  }
  return true;
}

static bool fold(const eb_partition *partition, const LiteContext *context, int index, eb_sign_mark *marks) {
  eb_op *op = &partition->ops[index];
  signs s;
  if (!begin_signs(context, op, &s)) return false;
  look_past_all(partition, context, index, &s, marks);
  const bool is_memory = s.parts[0].read.tensor == op->reads[0].tensor || take_parts(&s, op);
  free(s.negative);
  return is_memory;
}

/* What was looked past and nothing needs any longer is noted with the first that looked past it. */
static void drop_unread(eb_partition *partition, eb_sign_mark *marks) {
  for (int i = 0; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    for (int r = 0; op->kind != NULL && r < op->read_count; r++) {
      if (op->reads[r].op >= 0) marks[op->reads[r].op].uses++;
    }
  }
  for (int i = partition->count - 1; i >= 0; i--) {
    eb_op *op = &partition->ops[i];
    if (marks[i].taker == EB_OUTSIDE || marks[i].uses > 0 || op->leaves) continue;
    eb_op *taker = &partition->ops[marks[i].taker];
    if (taker->joined_count < EB_MOST_JOINED) taker->joined[taker->joined_count++] = op->node;
    op->kind = NULL;
    for (int r = 0; r < op->read_count; r++) {
      if (op->reads[r].op >= 0) marks[op->reads[r].op].uses--;
    }
  }
}

bool eb_fold_int8(eb_partition *partition, const LiteContext *context, eb_sign_mark *marks) {
  for (int i = 0; i < partition->count; i++) marks[i] = (eb_sign_mark){.taker = EB_OUTSIDE};
  for (int i = 0; i < partition->count; i++) {
    if (!takes_int8_signs(context, &partition->ops[i])) continue;
    if (!fold(partition, context, i, marks)) return false;
  }
  drop_unread(partition, marks);
  return true;
}
