/* A pool of threads that lives as long as the delegate, so that an invoke starts none. */
#ifndef EDGEBNN_DELEGATE_POOL_H
#define EDGEBNN_DELEGATE_POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct eb_pool eb_pool;

/* Runs work units [begin, end); `thread` numbers the calling thread from 0 within one eb_pool_run, of which it is its `first`
 * call or not. */
typedef void (*eb_pool_fn)(void *argument, int64_t begin, int64_t end, int thread, bool first);

/* NULL if there is no memory. */
eb_pool *eb_pool_create(void);
void eb_pool_destroy(eb_pool *pool);

/* Starts threads until `threads` (the caller among them) can work at once. Returns how many can. */
int eb_pool_reserve(eb_pool *pool, int threads);

/* The units of a task: a thread takes no fewer than `grain` at a time, if there are as many, and as long as it can whole
 * rows of `row`: units that are cheaper one after the other on the same thread. Both are at least 1. */
typedef struct {
  int64_t count, row, grain;
} eb_units;

/* Runs units [0, count) on up to `threads` threads and returns when all is done. If the pool is at work for another
 * caller, or was made before a fork, the calling thread does everything. */
void eb_pool_run(eb_pool *pool, int threads, eb_units units, eb_pool_fn function, void *argument);

#endif
