/* Counts what is taken from or given back to the heap and the system during invokes, in every thread. To be linked with
 * --wrap for each function wrapped here. The argument names the convolution kernel. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "around_model.h"
#include "int8_model.h"

static atomic_int calls;

#define WRAP(type, name, parameters, arguments) \
  type __real_##name parameters;                \
  type __wrap_##name parameters;                \
  type __wrap_##name parameters {               \
    atomic_fetch_add(&calls, 1);                \
    return __real_##name arguments;             \
  }

typedef void *(*thread_main)(void *);

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *memory, size_t size), (memory, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(int, posix_memalign, (void **memory, size_t alignment, size_t size), (memory, alignment, size))
WRAP(void, free, (void *memory), (memory))
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int file, off_t offset),
     (at, size, protection, flags, file, offset))
WRAP(int, munmap, (void *memory, size_t size), (memory, size))
WRAP(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, thread_main function, void *argument),
     (thread, attributes, function, argument))

/* Prepared once and invoked often: the first invoke after prepare must not allocate either. */
static void prepared_invokes(fake_interpreter *fake) {
  const int before = atomic_load(&calls);
  CHECK(fake_prepare(fake));
  CHECK(atomic_load(&calls) > before); /* the wrappers are in place */
  const int prepared = atomic_load(&calls);
  for (int i = 0; i < 5; i++) CHECK(fake_invoke(fake));
  const int during = atomic_load(&calls) - prepared;
  if (during != 0) {
    fprintf(stderr, "%d calls during 5 invokes with %d threads\n", during, fake->context.recommended_num_threads);
    failures++;
  }
}

static void chains(const char *kernel, int threads) {
  const int types[] = {LITE_FLOAT32, LITE_INT8};
  for (int i = 0; i < 2; i++) {
    chain model;
    chain_create(&model, types[i], threads);
    LiteDelegate *delegate = make_delegate(kernel);
    CHECK(fake_delegate(&model.fake, delegate));
    for (int batch = 1; batch <= 4; batch += 3) {
      fill_image(&model.fake, batch);
      prepared_invokes(&model.fake);
    }
    fake_remake(&model.fake);
    prepared_invokes(&model.fake);
    fake_destroy(&model.fake);
    tflite_plugin_destroy_delegate(delegate);
  }
}

static void dequantizations(int threads) {
  const int types[] = {LITE_FLOAT32, LITE_INT8, LITE_BOOL};
  for (int i = 0; i < 3; i++) {
    fake_interpreter fake;
    dequantize_create(&fake, types[i], threads);
    LiteDelegate *delegate = make_delegate(NULL);
    CHECK(fake_delegate(&fake, delegate));
    prepared_invokes(&fake);
    fake_destroy(&fake);
    tflite_plugin_destroy_delegate(delegate);
  }
}

static void int8_layers(const char *kernel, int threads) {
  int8_model model;
  int8_create(&model, threads);
  LiteDelegate *delegate = make_packing_delegate(kernel);
  CHECK(fake_delegate(&model.fake, delegate) && model.fake.replaced);
  for (int batch = 1; batch <= 3; batch += 2) {
    fill_int8(&model.fake, batch);
    prepared_invokes(&model.fake);
  }
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

static void surroundings(const char *kernel, int threads) {
  const int types[] = {LITE_FLOAT32, LITE_INT8};
  for (int i = 0; i < 6; i++) {
    around_model model;
    void (*create)(around_model *, int, int) = i == 4 ? around_scale : around_parts;
    if (i < 4) create = i < 2 ? around_signs : around_sum;
    create(&model, i < 4 ? types[i % 2] : LITE_INT8, threads);
    LiteDelegate *delegate = make_surrounding_delegate(kernel);
    CHECK(fake_delegate(&model.fake, delegate) && model.fake.replaced);
    for (int batch = 1; batch <= 3; batch += 2) {
      fill_around(&model.fake, batch);
      prepared_invokes(&model.fake);
    }
    fake_destroy(&model.fake);
    tflite_plugin_destroy_delegate(delegate);
  }
}

int main(int count, char **arguments) {
  assert(count == 2);
  for (int threads = 1; threads <= 2; threads++) {
    chains(arguments[1], threads);
    int8_layers(arguments[1], threads);
    surroundings(arguments[1], threads);
    dequantizations(threads);
  }
  if (failures == 0) puts("no allocation during invoke");
  return failures != 0;
}
