/* Runs one layer by one schedule after another, each with cold caches and every array in a known place: for counts of
 * its data references and cache misses under a simulator, by the difference of two runs of this program.
 *
 * one_layer KERNEL CASE COLD_BYTES COUNT [PIXELS:BLOCKS...]
 *
 * KERNEL: a line of bconv2d.kernels or w1a8.kernels. CASE: one case as run_cases.c reads it. The first COUNT of the schedules
 * are run; before each, COLD_BYTES of other memory are read, so that nothing of the layer is left in a cache of that size.
 * PIXELS:BLOCKS is the blocking of a binary convolution; "-" is the plan's own, and "none" runs nothing. Written is one line
 * for each that runs: the blocking that was used, and where the arrays lie.
 *
 * Arrays lie one after another, each from a page of its own on: stack, plan, persistent memory, input, output, scratch.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "w1a8.h"

enum { BCONV2D = 0, W1A8 = 4, PAGE = 4096, STACK_BYTES = 1 << 18 };

static const uintptr_t ARRAYS = 0x200000000u, OTHER = 0x300000000u;

static FILE *cases;

/* What is run: of two kinds of layer. The plan that is in force lies at `plan`. */
static struct {
  int32_t kind;
  eb_bconv2d_plan bconv2d;
  eb_w1a8_plan w1a8;
  void *plan, *persistent, *input, *output, *scratch;
} layer;

static void require(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "one_layer: %s\n", what);
  exit(3);
}

static void read_bytes(void *to, size_t bytes) {
  require(bytes == 0 || fread(to, bytes, 1, cases) == 1, "the case ends early");
}

static void *read_array(size_t *bytes) {
  int64_t size;
  read_bytes(&size, sizeof(size));
  void *array = malloc((size_t)size + 1);
  require(array != NULL, "no memory");
  read_bytes(array, (size_t)size);
  *bytes = (size_t)size;
  return array;
}

static unsigned char *map(uintptr_t at, size_t bytes) {
  void *found = mmap((void *)at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  require(found == (void *)at, "the arrays cannot be put where they belong");
  return found;
}

static size_t pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

static size_t output_bytes(void) {
  const eb_window *w = layer.kind == W1A8 ? &layer.w1a8.op.window : &layer.bconv2d.op.window;
  const size_t pixels = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width;
  if (layer.kind == W1A8) return pixels * (size_t)layer.w1a8.op.channels_out;
  const eb_bconv2d *op = &layer.bconv2d.op;
  if (op->output_type == EB_PACKED) return pixels * (size_t)eb_packed_words(op->channels_out) * sizeof(int32_t);
  return pixels * (size_t)op->channels_out * (op->output_type == EB_FLOAT32 ? sizeof(float) : 1);
}

/* Plans the layer, puts its arrays where they belong and prepares it. most_scratch: bytes. */
static void prepare(const char *kernel, size_t most_scratch) {
  enum { PARTS = 6 };
  void *parts[PARTS];
  size_t bytes[PARTS];
  int32_t ignored;
  read_bytes(&layer.kind, sizeof(layer.kind));
  require(layer.kind == BCONV2D || layer.kind == W1A8, "the case is of another kind");
  eb_bconv2d bconv2d;
  eb_w1a8 w1a8;
  if (layer.kind == BCONV2D) {
    read_bytes(&bconv2d, sizeof(bconv2d));
  } else {
    read_bytes(&w1a8, sizeof(w1a8));
  }
  read_bytes(&ignored, sizeof(ignored));
  const int count = layer.kind == BCONV2D ? PARTS : PARTS - 1;
  for (int i = 0; i < count; i++) parts[i] = read_array(&bytes[i]);
  const eb_status status = layer.kind == BCONV2D
                               ? eb_bconv2d_plan_make(&bconv2d, kernel, eb_cpu_features(), &layer.bconv2d)
                               : eb_w1a8_plan_make(&w1a8, kernel, eb_cpu_features(), &layer.w1a8);
  require(status == EB_OK, eb_status_name(status));
  const size_t persistent = layer.kind == BCONV2D ? layer.bconv2d.persistent_bytes : layer.w1a8.persistent_bytes;
  const size_t sizes[] = {persistent, bytes[0], output_bytes(), most_scratch};
  void **const places[] = {&layer.persistent, &layer.input, &layer.output, &layer.scratch};
  uintptr_t at = ARRAYS + STACK_BYTES + PAGE;
  layer.plan = (void *)(at - PAGE);
  for (int i = 0; i < 4; at += pages(sizes[i]), i++) *places[i] = (void *)at;
  map(ARRAYS, at - ARRAYS);
  memcpy(layer.input, parts[0], bytes[0]);
  if (layer.kind == BCONV2D) {
    eb_bconv2d_prepare(&layer.bconv2d, parts[1], parts[2], parts[3], parts[4], layer.persistent);
  } else {
    const eb_w1a8_constants constants = {parts[1], parts[2], parts[3], parts[4]};
    require(eb_w1a8_prepare(&layer.w1a8, &constants, layer.persistent) == EB_OK, "the layer cannot be prepared");
  }
}

/* The layer's plan with a blocking. */
static eb_bconv2d_plan plan_of(const char *text, size_t most_scratch) {
  eb_bconv2d_plan plan = layer.bconv2d;
  eb_bconv2d_blocking blocking;
  if (strcmp(text, "-") == 0) return plan;
  require(layer.kind == BCONV2D, "a layer of this kind has no blocking");
  require(sscanf(text, "%d:%d", &blocking.tile_pixels, &blocking.tile_blocks) == 2, "a blocking is PIXELS:BLOCKS");
  require(eb_bconv2d_plan_block(&plan, blocking) == EB_OK, "the blocking is refused");
  require(plan.scratch_bytes <= most_scratch, "the schedule needs more scratch memory");
  return plan;
}

static int runs; /* else all but the layer happens */

static void run(void) {
  if (!runs) return;
  if (layer.kind == BCONV2D) {
    const eb_bconv2d_plan *plan = layer.plan;
    eb_bconv2d_run(plan, layer.persistent, layer.input, NULL, layer.output, 0, plan->tiles, layer.scratch);
  } else {
    const eb_w1a8_plan *plan = layer.plan;
    eb_w1a8_run(plan, layer.persistent, layer.input, layer.output, 0, plan->tiles, layer.scratch);
  }
}

static void set_plan(const eb_bconv2d_plan *plan) {
  if (layer.kind == BCONV2D) {
    memcpy(layer.plan, plan, sizeof(*plan));
  } else {
    memcpy(layer.plan, &layer.w1a8, sizeof(layer.w1a8));
  }
}

/* On the stack at ARRAYS. */
static void run_there(void) {
  static ucontext_t here, there;
  require(getcontext(&there) == 0, "no context");
  there.uc_stack.ss_sp = (void *)ARRAYS;
  there.uc_stack.ss_size = STACK_BYTES;
  there.uc_link = &here;
  makecontext(&there, run, 0);
  require(swapcontext(&here, &there) == 0, "no context");
}

static void cool(const unsigned char *other, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) (void)*(volatile const unsigned char *)(other + i);
}

static void describe(const eb_bconv2d_plan *plan) {
  printf("%d %d %zu %zu %zu %zu %zu %zu\n", plan->blocking.tile_pixels, plan->blocking.tile_blocks,
         (size_t)(ARRAYS + STACK_BYTES), (size_t)layer.plan, (size_t)layer.persistent, (size_t)layer.input,
         (size_t)layer.output, (size_t)layer.scratch);
}

int main(int count, char **arguments) {
  enum { MOST_SCRATCH = 1 << 26, MOST_SCHEDULES = 256 };
  static eb_bconv2d_plan plans[MOST_SCHEDULES];
  static int given[MOST_SCHEDULES];
  require(count >= 5, "one_layer KERNEL CASE COLD_BYTES COUNT [PIXELS:BLOCKS...]");
  cases = fopen(arguments[2], "rb");
  require(cases != NULL, "the case cannot be read");
  const size_t cold_bytes = (size_t)atol(arguments[3]);
  const int schedules = atoi(arguments[4]);
  require(schedules <= count - 5 && count - 5 <= MOST_SCHEDULES, "COUNT exceeds the schedules, or they are too many");
  const unsigned char *other = map(OTHER, cold_bytes);
  prepare(arguments[1], MOST_SCRATCH);
  for (int i = 0; i < count - 5; i++) {
    given[i] = strcmp(arguments[5 + i], "none") != 0;
    plans[i] = plan_of(given[i] ? arguments[5 + i] : "-", MOST_SCRATCH);
    if (given[i]) describe(&plans[i]);
  }
  fflush(stdout);
  for (int i = 0; i < schedules; i++) {
    runs = given[i];
    set_plan(&plans[i]);
    cool(other, cold_bytes);
    run_there();
  }
  _Exit(0); /* nothing that depends on what was run before */
}
