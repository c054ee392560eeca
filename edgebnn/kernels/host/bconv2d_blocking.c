/* How a convolution is cut into tiles of work, unless a schedule says it.
 *
 * A tile gathers the windows of some pixels, or keeps the rows that they lie in, then goes through some blocks; a block's
 * weights are read once for all pixels of the tile, and so are the windows for all blocks. What is looked for:
 *   - a block's weights, the pixels at hand and the output stay in the first-level cache; the windows too if they can,
 *     else they come from the second level, which is soon enough: each is used for a whole block;
 *   - weights that do not stay in the first-level cache from tile to tile come from the second level: reading them is
 *     spread over many pixels;
 *   - a tile is much work compared with handing it to a thread, but there are several for each thread.
 */
#include "bconv2d.h"

enum {
  FEWEST_PIXELS = 48,   /* that reading a block's weights from the second level is spread over */
  MOST_PIXELS = 192,    /* past this nothing is gained */
  TILE_MACS = 6 << 20,  /* some microseconds with the fastest kernels */
};

/* Blocks that make a whole word of packed output, or one that makes some. */
static int32_t word_blocks(const eb_bconv2d_kernel *kernel) { return eb_at_least(32 / kernel->channel_tile, 1); }

eb_bconv2d_blocking eb_bconv2d_choose_blocking(const eb_bconv2d_plan *plan, eb_cpu_caches caches) {
  const eb_bconv2d_kernel *kernel = plan->kernel;
  const eb_window *w = &plan->op.window;
  const int32_t pixels = w->batches * w->output_height * w->output_width;
  const size_t window_bytes = (size_t)plan->window_words * sizeof(uint32_t);
  const size_t weights = eb_block_bytes(plan);
  const size_t level1 = caches.level1 / 4 * 3; /* the rest for output and constants */

  const size_t beside_weights = weights < level1 ? (level1 - weights) / window_bytes : 0;
  const size_t within_level2 = caches.level2 / 4 / window_bytes;
  size_t fitting = beside_weights > FEWEST_PIXELS ? beside_weights : FEWEST_PIXELS;
  if (fitting > within_level2) fitting = within_level2;
  if (fitting > MOST_PIXELS) fitting = MOST_PIXELS;
  const int32_t most = eb_at_least((int32_t)fitting / kernel->pixel_tile, 1) * kernel->pixel_tile;

  eb_bconv2d_blocking blocking;
  blocking.tile_pixels = eb_ceil_div(pixels, eb_ceil_div(pixels, most));
  const int64_t block_macs = (int64_t)plan->window_words * 32 * kernel->channel_tile * blocking.tile_pixels;
  blocking.tile_blocks = block_macs < TILE_MACS ? (int32_t)(TILE_MACS / block_macs) : 1;
  /* A last tile of one block, or of one word of packed output, is not worth a tile. */
  if (blocking.tile_blocks >= plan->group_blocks - word_blocks(kernel)) blocking.tile_blocks = plan->group_blocks;
  return blocking;
}

/* n rounded up to a multiple, but no more than there are. */
static int32_t whole(int32_t n, int32_t multiple, int32_t all) {
  const int64_t rounded = ((int64_t)n + multiple - 1) / multiple * multiple;
  return rounded < all ? (int32_t)rounded : all;
}

eb_status eb_bconv2d_plan_block(eb_bconv2d_plan *plan, eb_bconv2d_blocking blocking) {
  const eb_bconv2d *op = &plan->op;
  const eb_bconv2d_kernel *kernel = plan->kernel;
  const eb_window *w = &op->window;
  const int32_t pixels = w->batches * w->output_height * w->output_width;
  if (blocking.tile_pixels < 1 || blocking.tile_blocks < 1) return EB_BAD_SIZE;
  if (plan->order == EB_ROW_STATIONARY) {
    plan->tile_rows = eb_at_most(eb_ceil_div(blocking.tile_pixels, w->output_width), w->output_height);
    plan->pixel_tiles = w->batches * eb_ceil_div(w->output_height, plan->tile_rows);
    blocking.tile_pixels = plan->tile_rows * w->output_width;
  } else {
    plan->tile_rows = 0;
    blocking.tile_pixels = whole(blocking.tile_pixels, kernel->pixel_tile, pixels);
    plan->pixel_tiles = eb_ceil_div(pixels, blocking.tile_pixels);
  }
  /* A tile of work starts at a whole word of packed output, so that no two threads write into the same. */
  blocking.tile_blocks = whole(blocking.tile_blocks, word_blocks(kernel), plan->group_blocks);
  plan->chunk_groups = 1;
  if (op->output_type == EB_PACKED && op->groups > 1 && plan->group_channels % 32 != 0) {
    blocking.tile_blocks = plan->group_blocks;
    plan->chunk_groups = op->groups;
  }
  plan->blocking = blocking;
  plan->chunks = op->groups / plan->chunk_groups * eb_ceil_div(plan->group_blocks, blocking.tile_blocks);
  const int64_t tiles = (int64_t)plan->pixel_tiles * plan->chunks;
  const int64_t row = (int64_t)plan->window_words + kernel->channel_tile + (int64_t)sizeof(int32_t *);
  if (tiles > INT32_MAX || row * blocking.tile_pixels > INT32_MAX / 16) return EB_TOO_LARGE;
  if (plan->order == EB_ROW_STATIONARY && !eb_lines_are_counted(plan)) return EB_TOO_LARGE;
  plan->tiles = (int32_t)tiles;
  const eb_bconv2d_scratch scratch = eb_bconv2d_scratch_of(plan);
  plan->scratch_bytes = scratch.pixels_bytes + scratch.padding_bytes + scratch.pointers_bytes + scratch.patches_bytes;
  return EB_OK;
}
