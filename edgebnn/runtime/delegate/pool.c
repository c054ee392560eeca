/* Workers sleep on a condition variable until the generation counter moves, then take ranges from a shared atomic
 * counter. The caller works too, and leaves when the last worker has. */
#define _POSIX_C_SOURCE 200809L
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_WORKERS = 255 };

typedef struct {
  eb_pool *pool;
  int thread;
} worker_argument;

struct eb_pool {
  pthread_mutex_t busy; /* held through one eb_pool_run */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t done;
  pthread_t workers[MAX_WORKERS];
  worker_argument arguments[MAX_WORKERS];
  int count;
  int running; /* workers that have not yet finished this generation */
  uint64_t generation;
  bool stop;
  pid_t owner; /* threads do not survive a fork */

  int threads;
  int64_t units, grain;
  eb_pool_fn function;
  void *argument;
  atomic_int_fast64_t next;
};

static void take_ranges(eb_pool *pool, int thread) {
  for (;;) {
    const int64_t begin = atomic_fetch_add_explicit(&pool->next, pool->grain, memory_order_relaxed);
    if (begin >= pool->units) return;
    const int64_t left = pool->units - begin;
    pool->function(pool->argument, begin, begin + (left < pool->grain ? left : pool->grain), thread);
  }
}

static void *work(void *pointer) {
  const worker_argument *self = pointer;
  eb_pool *pool = self->pool;
  pthread_mutex_lock(&pool->mutex);
  uint64_t seen = 0;
  for (;;) {
    while (!pool->stop && pool->generation == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
    if (pool->stop) break;
    seen = pool->generation;
    if (self->thread >= pool->threads) continue;
    pthread_mutex_unlock(&pool->mutex);
    take_ranges(pool, self->thread);
    pthread_mutex_lock(&pool->mutex);
    if (--pool->running == 0) pthread_cond_signal(&pool->done);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

eb_pool *eb_pool_create(void) {
  eb_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pthread_mutex_init(&pool->busy, NULL);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->owner = getpid();
  return pool;
}

void eb_pool_destroy(eb_pool *pool) {
  if (pool == NULL) return;
  if (pool->owner == getpid()) {
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->count; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->busy);
  }
  free(pool);
}

int eb_pool_reserve(eb_pool *pool, int threads) {
  if (threads > MAX_WORKERS + 1) threads = MAX_WORKERS + 1;
  if (threads < 2 || pool->owner != getpid()) return 1;
  sigset_t all, before;
  sigfillset(&all); /* signals are the host program's */
  pthread_mutex_lock(&pool->busy);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->count < threads - 1) {
    worker_argument *argument = &pool->arguments[pool->count];
    *argument = (worker_argument){.pool = pool, .thread = pool->count + 1};
    if (pthread_create(&pool->workers[pool->count], NULL, work, argument) != 0) break;
    pool->count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  const int available = pool->count + 1;
  pthread_mutex_unlock(&pool->busy);
  return available < threads ? available : threads;
}

void eb_pool_run(eb_pool *pool, int threads, int64_t units, int64_t grain, eb_pool_fn function, void *argument) {
  const int64_t portions = (units + grain - 1) / grain;
  if (threads > portions) threads = (int)portions;
  if (threads < 2 || pool->owner != getpid() || pthread_mutex_trylock(&pool->busy) != 0) {
    function(argument, 0, units, 0);
    return;
  }
  pthread_mutex_lock(&pool->mutex);
  if (threads > pool->count + 1) threads = pool->count + 1;
  pool->threads = threads;
  pool->running = threads - 1;
  pool->units = units;
  pool->grain = grain;
  pool->function = function;
  pool->argument = argument;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  pool->generation++;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);

  take_ranges(pool, 0);

  pthread_mutex_lock(&pool->mutex);
  while (pool->running > 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  pthread_mutex_unlock(&pool->busy);
}
