/* What surrounds binary layers in the fake interpreter, for exercise.c: joined and alone, for other batches and made again. */
#include "around_model.h"

int exercise_around(void);

typedef void (*creator)(around_model *model, int type, int threads);

/* made_again: the partition, for another batch, which ops behind others that they are joined with do not survive; the interpreter
 * that they are for does not do it (edgebnn.h, surroundings). */
static void run_around(creator create, int type, int threads, int ops, int words, bool made_again) {
  around_model model;
  create(&model, type, threads);
  fake_interpreter *fake = &model.fake;
  LiteDelegate *delegate = make_surrounding_delegate(NULL);
  CHECK(fake_delegate(fake, delegate) && fake->replaced);
  int32_t first[A_HEIGHT * A_WIDTH * 3];
  const int batches[] = {1, 4, 2, 1, 3};
  for (int round = 0; round < 5; round++) {
    fill_around(fake, batches[round]);
    if (round == 2 && made_again) fake_remake(fake);
    CHECK(fake_prepare(fake) && fake_invoke(fake));
    const eb_partition *partition = fake->nodes[fake->node_count].node.user_data;
    CHECK(partition->count == ops);
    const LiteTensor *signs = &fake->tensors[A_SIGNS];
    const size_t each = signs->bytes / (size_t)batches[round];
    CHECK(signs->dims->data[0] == batches[round] && signs->dims->data[3] == words && each <= sizeof first);
    if (round == 0) memcpy(first, signs->data, each);
    for (int n = 0; n < batches[round]; n++) CHECK(memcmp((char *)signs->data + (size_t)n * each, first, each) == 0);
  }
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
}

int exercise_around(void) {
  for (int threads = 1; threads <= 4; threads += 3) {
    run_around(around_signs, LITE_INT8, threads, 1, 2, true);
    run_around(around_signs, LITE_FLOAT32, threads, 1, 2, true);
    run_around(around_sum, LITE_INT8, threads, 4, 2, true);
    run_around(around_sum, LITE_FLOAT32, threads, 4, 2, true);
    run_around(around_scale, LITE_INT8, threads, 4, 2, false);
    run_around(around_parts, LITE_INT8, threads, 4, 3, true);
  }
  return failures;
}
