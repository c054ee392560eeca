/* Each thread of a task has a share of its units, always the same one, so that what it reads and writes stays in its
 * caches. It takes half of what is left of its share, again and again, then of what is left of the others'.
 *
 * A task is open to workers until its caller has found no unit left: whoever comes too late does not hold it up, since
 * the caller closes it and waits only for the workers that have entered. Workers look out for the next task for some
 * microseconds before they sleep, because waking a thread takes as long as a small layer; so does the caller for the
 * last of them.
 *
 * One word tells the task's number, whether it is open, for how many threads, how many workers have entered it and how
 * many of these are still in it. */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "system.h"

enum {
  MAX_WORKERS = 255,
  LINE_BYTES = 64, /* of the cache: what one thread writes often has a line of its own */
  SPIN_NS = 50000, /* that a thread looks out before it sleeps */
  PAUSES = 32,     /* between two looks at the clock */
};

/* Parts of the word: the lowest bit of each; all but the number have nine bits. */
#define INSIDE (UINT64_C(1) << 0)
#define ENTERED (UINT64_C(1) << 9)
#define THREADS (UINT64_C(1) << 18)
#define OPEN (UINT64_C(1) << 27)
#define NUMBER (UINT64_C(1) << 28)

typedef struct {
  _Alignas(LINE_BYTES) atomic_int_fast64_t next; /* the first unit that nobody has taken */
  int64_t end;
} share;

struct eb_pool {
  _Alignas(LINE_BYTES) atomic_uint_fast64_t state;
  atomic_int sleepers;       /* workers that wait for `wake` */
  atomic_bool caller_sleeps; /* it waits for `done` */
  atomic_bool stop;

  /* The task: constant while it is open or a worker is in it, but for what is left of the shares. */
  _Alignas(LINE_BYTES) eb_units units;
  int threads;
  eb_pool_fn function;
  void *argument;

  pthread_mutex_t busy; /* held through one eb_pool_run */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t done;
  int count;
  int processors;
  int64_t owner; /* the process: threads do not survive a fork */
  pthread_t workers[MAX_WORKERS];
  share shares[MAX_WORKERS + 1];
};

static uint64_t part(uint64_t state, uint64_t lowest) { return state / lowest % 512; }

static void pause_processor(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
  __asm__ volatile("yield");
#endif
}

/* Passes a moment, less if the state changes, in which another thread may have the processor. False if it is time to sleep: at
 * once where threads outnumber the processors. */
static bool look_out(const eb_pool *pool, uint64_t state, int64_t since) {
  if (part(state, THREADS) > (uint64_t)pool->processors || eb_now() - since > SPIN_NS) return false;
  for (int i = 0; i < PAUSES; i++) {
    pause_processor();
    if (atomic_load_explicit(&pool->state, memory_order_relaxed) != state) return true;
  }
  sched_yield();
  return true;
}

/* Half of what is `left` of a share: in whole rows if it can be, and at least a grain. */
static int64_t half(int64_t left, const eb_units *units) {
  const int64_t middle = left > units->row ? (left / 2 + units->row - 1) / units->row * units->row : left / 2;
  return middle > units->grain ? middle : units->grain < left ? units->grain : left;
}

static bool take(share *from, const eb_units *units, int64_t *begin, int64_t *end) {
  int64_t next = atomic_load_explicit(&from->next, memory_order_relaxed);
  while (next < from->end) {
    *begin = next;
    *end = next + half(from->end - next, units);
    if (atomic_compare_exchange_weak_explicit(&from->next, &next, *end, memory_order_relaxed, memory_order_relaxed))
      return true;
  }
  return false;
}

static void take_all(eb_pool *pool, int thread) {
  int64_t begin, end;
  bool first = true;
  for (int i = 0; i < pool->threads; i++) {
    share *from = &pool->shares[(thread + i) % pool->threads];
    for (; take(from, &pool->units, &begin, &end); first = false)
      pool->function(pool->argument, begin, end, thread, first);
  }
}

/* Into shares of whole rows, if there is one for each. */
static void divide(eb_pool *pool, const eb_units *units, int threads) {
  const int64_t row = units->count < units->row * threads ? 1 : units->row;
  int64_t begin = 0;
  for (int i = 0; i < threads; i++) {
    const bool last = i + 1 == threads;
    const int64_t end = last ? units->count : begin + (units->count - begin) / row / (threads - i) * row;
    pool->shares[i].end = end;
    atomic_store_explicit(&pool->shares[i].next, begin, memory_order_relaxed);
    begin = end;
  }
}

/* Whether the task wants one more worker, and is not the one that this worker has just left. */
static bool calls(uint64_t state, uint64_t left) {
  return (state & OPEN) != 0 && part(state, ENTERED) + 1 < part(state, THREADS) && state / NUMBER != left;
}

/* Until there is a task to enter, or the pool stops. */
static void sleep_until_called(eb_pool *pool, uint64_t left) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleepers, 1);
  while (!atomic_load(&pool->stop) && !calls(atomic_load(&pool->state), left))
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
}

/* Waits for a task and enters it. Returns the number of the thread in it, or 0 when the pool stops. */
static int enter(eb_pool *pool, uint64_t *left) {
  int64_t since = eb_now();
  while (!atomic_load(&pool->stop)) {
    uint64_t state = atomic_load(&pool->state);
    while (calls(state, *left)) {
      if (!atomic_compare_exchange_weak(&pool->state, &state, state + ENTERED + INSIDE)) continue;
      *left = state / NUMBER;
      return (int)part(state, ENTERED) + 1;
    }
    if (look_out(pool, state, since)) continue;
    sleep_until_called(pool, *left);
    since = eb_now();
  }
  return 0;
}

static void leave(eb_pool *pool) {
  const uint64_t before = atomic_fetch_sub(&pool->state, INSIDE);
  if ((before & OPEN) != 0 || part(before, INSIDE) > 1 || !atomic_load(&pool->caller_sleeps)) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_signal(&pool->done);
  pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument) {
  eb_pool *pool = argument;
  uint64_t left = 0;
  for (int thread; (thread = enter(pool, &left)) != 0;) {
    take_all(pool, thread);
    leave(pool);
  }
  return NULL;
}

eb_pool *eb_pool_create(void) {
  eb_pool *pool = eb_allocate(sizeof *pool);
  if (pool == NULL) return NULL;
  memset(pool, 0, sizeof *pool);
  pthread_mutex_init(&pool->busy, NULL);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->processors = eb_processors();
  pool->owner = eb_process();
  return pool;
}

void eb_pool_destroy(eb_pool *pool) {
  if (pool == NULL) return;
  if (pool->owner == eb_process()) {
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->count; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->busy);
  }
  eb_free(pool);
}

int eb_pool_reserve(eb_pool *pool, int threads) {
  if (threads > MAX_WORKERS + 1) threads = MAX_WORKERS + 1;
  if (threads < 2 || pool->owner != eb_process()) return 1;
  pthread_mutex_lock(&pool->busy);
  while (pool->count < threads - 1 && eb_start_thread(&pool->workers[pool->count], work, pool)) pool->count++;
  const int available = pool->count + 1;
  pthread_mutex_unlock(&pool->busy);
  return available < threads ? available : threads;
}

/* Makes the task known, and wakes as many workers as it wants beyond those that are awake. */
static void open_task(eb_pool *pool, int threads) {
  const uint64_t number = atomic_load_explicit(&pool->state, memory_order_relaxed) / NUMBER + 1;
  atomic_store(&pool->state, number * NUMBER + OPEN + (uint64_t)threads * THREADS);
  const int sleepers = atomic_load(&pool->sleepers);
  const int wanted = threads - 1 - (pool->count - sleepers);
  if (sleepers == 0 || wanted <= 0) return;
  pthread_mutex_lock(&pool->mutex); /* whoever has counted itself as a sleeper now waits, or has seen the task */
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < wanted; i++) pthread_cond_signal(&pool->wake);
}

/* Nobody enters any more; waits for those who have. */
static void close_task(eb_pool *pool) {
  atomic_fetch_and(&pool->state, ~OPEN);
  uint64_t state;
  int64_t since = 0;
  while (part(state = atomic_load(&pool->state), INSIDE) > 0) {
    if (since == 0) since = eb_now();
    if (look_out(pool, state, since)) continue;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (part(atomic_load(&pool->state), INSIDE) > 0) pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
  }
}

void eb_pool_run(eb_pool *pool, int threads, eb_units units, eb_pool_fn function, void *argument) {
  const int64_t portions = (units.count + units.grain - 1) / units.grain;
  if (threads > portions) threads = (int)portions;
  if (threads < 2 || pool->owner != eb_process() || pthread_mutex_trylock(&pool->busy) != 0) {
    function(argument, 0, units.count, 0, true);
    return;
  }
  if (threads > pool->count + 1) threads = pool->count + 1;
  divide(pool, &units, threads);
  pool->threads = threads;
  pool->units = units;
  pool->function = function;
  pool->argument = argument;
  open_task(pool, threads);
  take_all(pool, 0);
  close_task(pool);
  pthread_mutex_unlock(&pool->busy);
}
