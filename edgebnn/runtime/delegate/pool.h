/* A pool of threads that lives as long as the delegate, so that an invoke starts none. */
#ifndef EDGEBNN_DELEGATE_POOL_H
#define EDGEBNN_DELEGATE_POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct eb_pool eb_pool;

/* Runs work units [begin, end); `thread` numbers the calling thread from 0 within one eb_pool_run. */
typedef void (*eb_pool_fn)(void *argument, int64_t begin, int64_t end, int thread);

/* NULL if there is no memory. */
eb_pool *eb_pool_create(void);
void eb_pool_destroy(eb_pool *pool);

/* Starts threads until `threads` (the caller among them) can work at once. Returns how many can. */
int eb_pool_reserve(eb_pool *pool, int threads);

/* Runs [0, units) on up to `threads` threads, `grain` units at a time, and returns when all is done. If the pool is at
 * work for another caller, or was made before a fork, the calling thread does everything. */
void eb_pool_run(eb_pool *pool, int threads, int64_t units, int64_t grain, eb_pool_fn function, void *argument);

#endif
