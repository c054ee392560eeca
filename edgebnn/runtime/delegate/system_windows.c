/* Windows. Python's time.perf_counter_ns reads the performance counter there. */
#include "../../kernels/core/kernels.h"
#include "system.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>

void *eb_allocate(size_t bytes) {
  return bytes > SIZE_MAX - EB_ALIGNMENT ? NULL : _aligned_malloc(bytes + EB_ALIGNMENT, EB_ALIGNMENT);
}

void eb_free(void *memory) { _aligned_free(memory); }

int64_t eb_now(void) {
  LARGE_INTEGER ticks, frequency;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&ticks);
  const int64_t second = frequency.QuadPart;
  return ticks.QuadPart / second * 1000000000 + ticks.QuadPart % second * 1000000000 / second;
}

int eb_processors(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return (int)info.dwNumberOfProcessors;
}

int64_t eb_process(void) { return 0; /* there is no fork */ }

bool eb_start_thread(pthread_t *thread, void *(*function)(void *), void *argument) {
  return pthread_create(thread, NULL, function, argument) == 0;
}

const void *eb_module_of(const void *address) {
  HMODULE module;
  const DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  return GetModuleHandleExA(flags, (LPCSTR)address, &module) ? (const void *)module : NULL;
}

bool eb_reader_open(eb_reader *reader) {
  *reader = (eb_reader){{0, 0}};
  return true;
}

void eb_reader_close(eb_reader *reader) { (void)reader; }

bool eb_read_doubtful(const eb_reader *reader, void *to, const void *from, size_t size) {
  (void)reader;
  SIZE_T done = 0;
  return ReadProcessMemory(GetCurrentProcess(), from, to, size, &done) && done == size;
}
#endif
