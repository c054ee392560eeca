/* The pool of threads: every unit runs once, on a thread that has its number for itself; callers that find the pool at
 * work do all by themselves; and a pool that has nothing to do soon sleeps. */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST_UNITS = 200, MOST_THREADS = 9, TASKS = 3000, CALLERS = 3 };

static atomic_int failures;

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "line %d: " #condition "\n", __LINE__);               \
      atomic_fetch_add(&failures, 1);                                       \
    }                                                                       \
  } while (0)

typedef struct {
  eb_pool *pool;
  int threads;
  int runs[MOST_UNITS];   /* of each unit: written by whoever runs it */
  int sums[MOST_THREADS]; /* of each thread */
  atomic_int at_work[MOST_THREADS];
} task;

static void run(void *argument, int64_t begin, int64_t end, int thread, bool first) {
  task *t = argument;
  CHECK(begin < end && thread >= 0 && thread < t->threads);
  CHECK(first == (t->sums[thread] == 0));
  CHECK(atomic_fetch_add(&t->at_work[thread], 1) == 0);
  for (int64_t unit = begin; unit < end; unit++) {
    t->runs[unit]++;
    t->sums[thread]++;
  }
  atomic_fetch_sub(&t->at_work[thread], 1);
}

static void check_task(task *t, int number) {
  static const int sizes[] = {1, 2, 3, 7, 16, 64, 99, MOST_UNITS};
  const int count = sizes[number % 8];
  memset(t->runs, 0, sizeof t->runs);
  memset(t->sums, 0, sizeof t->sums);
  const eb_units units = {.count = count, .row = 1 + number / 8 % 5, .grain = 1 + number / 40 % 4};
  eb_pool_run(t->pool, t->threads, units, run, t);
  int sum = 0;
  for (int thread = 0; thread < t->threads; thread++) sum += t->sums[thread];
  CHECK(sum == count);
  for (int unit = 0; unit < MOST_UNITS; unit++) CHECK(t->runs[unit] == (unit < count));
}

static void pause_for(long nanoseconds) { nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL); }

static void check_tasks(eb_pool *pool, int threads) {
  task t = {.pool = pool, .threads = threads};
  for (int number = 0; number < TASKS; number++) {
    check_task(&t, number);
    if (number % 100 == 0) pause_for(300000); /* long enough for the workers to sleep */
  }
}

static void run_slowly(void *argument, int64_t begin, int64_t end, int thread, bool first) {
  task *t = argument;
  (void)first;
  for (int64_t unit = begin; unit < end; unit++) pause_for(2000000);
  atomic_fetch_add(&t->at_work[thread], 1);
}

static void check_help(eb_pool *pool) {
  task t = {.pool = pool};
  eb_pool_run(pool, 2, (eb_units){.count = 50, .row = 1, .grain = 1}, run_slowly, &t);
  CHECK(t.at_work[0] > 0 && t.at_work[1] > 0);
}

static void *call(void *pool) {
  check_tasks(pool, 3);
  return NULL;
}

static double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void check_rest(eb_pool *pool) {
  task t = {.pool = pool, .threads = 2};
  check_task(&t, 7);
  const double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
  pause_for(200000000);
  CHECK(seconds(CLOCK_PROCESS_CPUTIME_ID) - begin < 0.02);
}

int main(void) {
  eb_pool *pool = eb_pool_create();
  CHECK(pool != NULL && eb_pool_reserve(pool, 1) == 1);
  for (int threads = 2; threads <= MOST_THREADS; threads += threads < 4 ? 1 : 5) {
    CHECK(eb_pool_reserve(pool, threads) == threads);
    check_tasks(pool, threads);
    check_tasks(pool, 2);
    check_rest(pool);
    check_help(pool);
  }
  pthread_t callers[CALLERS];
  for (int i = 0; i < CALLERS; i++) CHECK(pthread_create(&callers[i], NULL, call, pool) == 0);
  for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
  eb_pool_destroy(pool);
  if (failures == 0) puts("pool: all as expected");
  return failures != 0;
}
