/* Names of the status codes. */
#include "kernels.h"

const char *eb_status_name(eb_status status) {
  switch (status) {
    case EB_OK: return "EB_OK";
    case EB_BAD_SIZE: return "EB_BAD_SIZE";
    case EB_BAD_STRIDE: return "EB_BAD_STRIDE";
    case EB_BAD_OPTION: return "EB_BAD_OPTION";
    case EB_BAD_GROUPS: return "EB_BAD_GROUPS";
    case EB_BAD_QUANTIZATION: return "EB_BAD_QUANTIZATION";
    case EB_EMPTY_OUTPUT: return "EB_EMPTY_OUTPUT";
    case EB_TOO_LARGE: return "EB_TOO_LARGE";
    case EB_UNSUPPORTED: return "EB_UNSUPPORTED";
    case EB_UNKNOWN_KERNEL: return "EB_UNKNOWN_KERNEL";
    case EB_CPU_LACKS_KERNEL: return "EB_CPU_LACKS_KERNEL";
  }
  return "unknown status";
}
