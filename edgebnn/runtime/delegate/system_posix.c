/* Linux and macOS. Doubtful memory is written to a pipe: the kernel answers EFAULT where a load would crash. */
#if !defined(_WIN32)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "../../kernels/core/kernels.h"
#include "system.h"

void *eb_allocate(size_t bytes) {
  if (bytes > SIZE_MAX - EB_ALIGNMENT) return NULL;
  return aligned_alloc(EB_ALIGNMENT, (bytes / EB_ALIGNMENT + 1) * EB_ALIGNMENT);
}

void eb_free(void *memory) { free(memory); }

int64_t eb_now(void) {
#if defined(__APPLE__)
  const clockid_t clock = CLOCK_UPTIME_RAW;
#else
  const clockid_t clock = CLOCK_MONOTONIC;
#endif
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int eb_processors(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

int64_t eb_process(void) { return getpid(); }

bool eb_start_thread(pthread_t *thread, void *(*function)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(thread, NULL, function, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

const void *eb_module_of(const void *address) {
  Dl_info info;
  return dladdr(address, &info) == 0 ? NULL : info.dli_fbase;
}

bool eb_reader_open(eb_reader *reader) {
  if (pipe(reader->ends) != 0) return false;
  for (int i = 0; i < 2; i++) {
    fcntl(reader->ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(reader->ends[i], F_SETFL, O_NONBLOCK);
  }
  return true;
}

void eb_reader_close(eb_reader *reader) {
  close(reader->ends[0]);
  close(reader->ends[1]);
}

static long write_doubtful(int file, const void *from, size_t size) {
#if defined(__linux__)
  /* Not through write(): sanitizers check its arguments, and these are doubtful by intent. */
  return syscall(SYS_write, file, from, size);
#else
  return (long)write(file, from, size);
#endif
}

bool eb_read_doubtful(const eb_reader *reader, void *to, const void *from, size_t size) {
  char *target = to;
  const char *source = from;
  while (size > 0) {
    const size_t part = size < PIPE_BUF ? size : PIPE_BUF;
    if (write_doubtful(reader->ends[1], source, part) != (long)part) return false;
    if (read(reader->ends[0], target, part) != (ssize_t)part) return false;
    source += part;
    target += part;
    size -= part;
  }
  return true;
}
#endif
