/* What differs between operating systems: memory, clock, threads, and looking at memory that may not be there. */
#ifndef EDGEBNN_DELEGATE_SYSTEM_H
#define EDGEBNN_DELEGATE_SYSTEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory aligned to EB_ALIGNMENT, a multiple of it long at least; NULL if there is none. */
void *eb_allocate(size_t bytes);
void eb_free(void *memory);

/* Nanoseconds of a clock that never goes back: the one that Python's time.perf_counter_ns reads. */
int64_t eb_now(void);

int eb_processors(void);

/* Another one after a fork, which threads do not survive. */
int64_t eb_process(void);

/* Starts a thread that is given no signals: they are the host program's. */
bool eb_start_thread(pthread_t *thread, void *(*function)(void *), void *argument);

/* The module that an address lies in, NULL for none. */
const void *eb_module_of(const void *address);

/* Reads what may be unmapped memory, where a load would crash. */
typedef struct {
  int ends[2];
} eb_reader;

bool eb_reader_open(eb_reader *reader);
void eb_reader_close(eb_reader *reader);
bool eb_read_doubtful(const eb_reader *reader, void *to, const void *from, size_t size);

#endif
