/* Runs one layer by one schedule after another, each with cold caches and every array in a known place: for counts of
 * its data references and cache misses under a simulator, by the difference of two runs of this program.
 *
 * one_layer CASE COLD_BYTES COUNT SCHEDULE...
 *
 * CASE: one case as run_cases.c reads it. SCHEDULE: as eb_schedule_parse reads it, all of one kernel, or "none", which does all
 * but the layer. The first COUNT of them are run; before each, COLD_BYTES of other memory are read, so that nothing of the
 * layer is left in a cache of that size. Written is where the arrays lie.
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

enum { BCONV2D = 0, W1A8 = 4, PAGE = 4096, STACK_BYTES = 1 << 18, MOST_SCRATCH = 1 << 26 };

static const uintptr_t ARRAYS = 0x200000000u, OTHER = 0x300000000u;

static FILE *cases;

/* In place of the C library's, which chooses by processor and looks at tables of its own, so that counts would depend on the
 * machine they are taken on. Vectors are those that every x86-64 processor has. */
typedef uint8_t vector __attribute__((vector_size(16), aligned(1), may_alias));

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  uint8_t *t = to;
  const uint8_t *f = from;
  for (; bytes >= sizeof(vector); bytes -= sizeof(vector), t += sizeof(vector), f += sizeof(vector)) {
    *(vector *)(void *)t = *(const vector *)(const void *)f;
  }
  while (bytes-- > 0) *t++ = *f++;
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  uint8_t *t = to;
  const vector filled = (vector){0} + (uint8_t)value;
  for (; bytes >= sizeof(vector); bytes -= sizeof(vector), t += sizeof(vector)) *(vector *)(void *)t = filled;
  while (bytes-- > 0) *t++ = (uint8_t)value;
  return to;
}

/* Of two kinds of layer. */
typedef union plan {
  eb_bconv2d_plan bconv2d;
  eb_w1a8_plan w1a8;
} plan;

static struct {
  int32_t kind;
  union {
    eb_bconv2d bconv2d;
    eb_w1a8 w1a8;
  } op;
  plan *plan; /* that is followed */
  void *persistent, *input, *output, *scratch;
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

static size_t output_bytes(const plan *p) {
  const eb_window *w = layer.kind == W1A8 ? &p->w1a8.op.window : &p->bconv2d.op.window;
  const size_t pixels = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width;
  if (layer.kind == W1A8) return pixels * (size_t)p->w1a8.op.channels_out;
  const eb_bconv2d *op = &p->bconv2d.op;
  if (op->output_type == EB_PACKED) return pixels * (size_t)eb_packed_words(op->channels_out) * sizeof(int32_t);
  return pixels * (size_t)op->channels_out * (op->output_type == EB_FLOAT32 ? sizeof(float) : 1);
}

static size_t scratch_bytes(const plan *p) {
  return layer.kind == W1A8 ? p->w1a8.scratch_bytes : p->bconv2d.scratch_bytes;
}

static plan plan_of(char *text) {
  eb_schedule schedule;
  plan made;
  require(eb_schedule_parse(text, &schedule) == EB_OK, "a schedule cannot be read");
  const eb_status status = layer.kind == W1A8
                               ? eb_w1a8_plan_schedule(&layer.op.w1a8, &schedule, eb_cpu_features(), &made.w1a8)
                               : eb_bconv2d_plan_schedule(&layer.op.bconv2d, &schedule, eb_cpu_features(), &made.bconv2d);
  require(status == EB_OK, eb_status_name(status));
  require(scratch_bytes(&made) <= MOST_SCRATCH, "a schedule needs more scratch memory");
  return made;
}

static void read_operation(void) {
  int32_t parts;
  read_bytes(&layer.kind, sizeof(layer.kind));
  require(layer.kind == BCONV2D || layer.kind == W1A8, "the case is of another kind");
  if (layer.kind == BCONV2D) {
    read_bytes(&layer.op.bconv2d, sizeof(layer.op.bconv2d));
  } else {
    read_bytes(&layer.op.w1a8, sizeof(layer.op.w1a8));
  }
  read_bytes(&parts, sizeof(parts));
}

/* Puts the arrays where they belong and prepares the layer, by a plan of the kernel: all prepare it alike. */
static void prepare(const plan *p) {
  enum { PARTS = 6 };
  void *parts[PARTS];
  size_t bytes[PARTS];
  const int count = layer.kind == BCONV2D ? PARTS : PARTS - 1;
  for (int i = 0; i < count; i++) parts[i] = read_array(&bytes[i]);
  const size_t persistent = layer.kind == BCONV2D ? p->bconv2d.persistent_bytes : p->w1a8.persistent_bytes;
  const size_t sizes[] = {sizeof(plan), persistent, bytes[0], output_bytes(p), MOST_SCRATCH};
  void **const places[] = {(void **)&layer.plan, &layer.persistent, &layer.input, &layer.output, &layer.scratch};
  uintptr_t at = ARRAYS + STACK_BYTES;
  for (int i = 0; i < 5; at += pages(sizes[i]), i++) *places[i] = (void *)at;
  map(ARRAYS, at - ARRAYS);
  memcpy(layer.input, parts[0], bytes[0]);
  if (layer.kind == BCONV2D) {
    eb_bconv2d_prepare(&p->bconv2d, parts[1], parts[2], parts[3], parts[4], layer.persistent);
  } else {
    const eb_w1a8_constants constants = {parts[1], parts[2], parts[3], parts[4]};
    require(eb_w1a8_prepare(&p->w1a8, &constants, layer.persistent) == EB_OK, "the layer cannot be prepared");
  }
}

static int runs; /* else all but the layer happens */

static void run(void) {
  if (!runs) return;
  if (layer.kind == BCONV2D) {
    const eb_bconv2d_plan *p = &layer.plan->bconv2d;
    eb_bconv2d_run(p, layer.persistent, layer.input, NULL, layer.output, 0, p->tiles, layer.scratch);
  } else {
    const eb_w1a8_plan *p = &layer.plan->w1a8;
    eb_w1a8_run(p, layer.persistent, layer.input, NULL, layer.output, 0, p->tiles, layer.scratch);
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

int main(int count, char **arguments) {
  enum { MOST_SCHEDULES = 256, FIRST = 4 };
  static plan plans[MOST_SCHEDULES];
  static int given[MOST_SCHEDULES];
  require(count > FIRST && count - FIRST <= MOST_SCHEDULES, "one_layer CASE COLD_BYTES COUNT SCHEDULE...");
  cases = fopen(arguments[1], "rb");
  require(cases != NULL, "the case cannot be read");
  const size_t cold_bytes = (size_t)atol(arguments[2]);
  const int schedules = atoi(arguments[3]);
  require(schedules <= count - FIRST, "COUNT exceeds the schedules");
  const unsigned char *other = map(OTHER, cold_bytes);
  read_operation();
  const plan *any = NULL;
  for (int i = 0; i < count - FIRST; i++) {
    given[i] = strcmp(arguments[FIRST + i], "none") != 0;
    if (!given[i]) continue;
    plans[i] = plan_of(arguments[FIRST + i]);
    any = &plans[i];
  }
  require(any != NULL, "no schedule is given");
  prepare(any);
  printf("%zu %zu %zu %zu %zu %zu\n", (size_t)(ARRAYS + STACK_BYTES), (size_t)layer.plan, (size_t)layer.persistent,
         (size_t)layer.input, (size_t)layer.output, (size_t)layer.scratch);
  fflush(stdout);
  for (int i = 0; i < schedules; i++) {
    runs = given[i];
    memcpy(layer.plan, runs ? &plans[i] : any, sizeof(plan));
    cool(other, cold_bytes);
    run_there();
  }
  _Exit(0); /* nothing that depends on what was run before */
}
