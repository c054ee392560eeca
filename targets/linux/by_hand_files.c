/* Arrays that a person gives a network's program: .npy files, or the raw values of an input. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"

static const float FEW = 0.05f; /* of an input's values lie beyond its range where they are on the right scale */
static const float FAR = 4.0f;  /* times its range: no value on the right scale lies so far out */
static const float FULL = 0.9f; /* of the range from 0 to 1 is what images on that scale fill */

void *hand_memory(size_t bytes) {
  void *const found = malloc(bytes + 1);
  if (found == NULL) hand_fail("the device has too little memory for this");
  return found;
}

int hand_ends(const char *path, const char *ending) {
  const size_t length = strlen(path), end = strlen(ending);
  return length >= end && strcmp(path + length - end, ending) == 0;
}

uint8_t *hand_read(const char *path, size_t *size) {
  FILE *const file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  size_t room = 1 << 16, held = 0;
  uint8_t *data = hand_memory(room);
  if (file == NULL) hand_fail("%s: cannot be read (%s)", path, strerror(errno));
  for (;;) {
    const size_t count = fread(data + held, 1, room - held, file);
    held += count;
    if (count == 0) break;
    if (held == room) {
      uint8_t *const more = room < SIZE_MAX / 4 ? realloc(data, (room *= 2) + 1) : NULL;
      if (more == NULL) hand_fail("%s: needs more memory than there is", path);
      data = more;
    }
  }
  if (ferror(file)) hand_fail("%s: cannot be read (%s)", path, strerror(errno));
  if (file != stdin) fclose(file);
  *size = held;
  return data;
}

/* -- values -- */

double hand_real(const hand_port *port, const uint8_t *data, size_t index) {
  if (port->kind == 'f') {
    float single;
    double both;
    memcpy(&single, data + index * (size_t)port->size, sizeof single);
    memcpy(&both, data + index * (size_t)port->size, port->size == 8 ? sizeof both : 0);
    return port->size == 8 ? both : (double)single;
  }
  return (double)((float)(hand_integer(port, data, index) - port->zero_point) * port->scale);
}

int64_t hand_integer(const hand_port *port, const uint8_t *data, size_t index) {
  const uint8_t *const at = data + index * (size_t)port->size;
  uint64_t bits = 0;
  for (int byte = port->size - 1; byte >= 0; --byte) bits = bits << 8 | at[byte];
  if (port->kind == 'i' && port->size < 8 && (bits >> (8 * port->size - 1)) != 0) bits |= ~UINT64_C(0) << (8 * port->size);
  return (int64_t)bits;
}

/* What is probably on another scale than the input's is warned of. */
static void warn_beyond(const hand_port *port, const float *real, size_t count, int is_pixels) {
  float least = real[0], greatest = real[0];
  size_t beyond = 0;
  int broken = 0;
  for (size_t i = 0; i < count; ++i) {
    least = real[i] < least ? real[i] : least;
    greatest = real[i] > greatest ? real[i] : greatest;
    beyond += real[i] < port->low || real[i] > port->high;
    broken |= floorf(real[i]) != real[i];
  }
  if (!port->bounded) return;
  if (beyond > 0) {
    const float span = (FAR - 1) * (port->high - port->low);
    const float share = (float)beyond / (float)count;
    if (is_pixels || greatest - port->high > span || port->low - least > span || share > FEW) {
      hand_warn("input '%s' takes values from %.3g to %.3g; %.1f%% of those given lie beyond%s. Scale them as for training",
                port->name, (double)port->low, (double)port->high, 100.0 * (double)share, port->cut ? " and are cut off" : "");
    }
    return;
  }
  if (port->has_pixels && (fabsf(port->pixel_low) > 0.05f || fabsf(port->pixel_high - 1) > 0.05f) && least >= 0 &&
      least <= 1 - FULL && greatest >= FULL && greatest <= 1 && broken) {
    hand_warn("input '%s' takes values from %.3g to %.3g; those given fill the range from 0 to 1. Scale them as for training",
              port->name, (double)port->pixel_low, (double)port->pixel_high);
  }
}

void hand_quantize(const hand_port *port, const float *real, size_t count, int is_pixels, uint8_t *to) {
  const int64_t high = port->kind == 'u' ? (INT64_C(1) << (8 * port->size)) - 1 : (INT64_C(1) << (8 * port->size - 1)) - 1;
  const int64_t low = port->kind == 'u' ? 0 : -high - 1;
  warn_beyond(port, real, count, is_pixels);
  for (size_t i = 0; i < count; ++i) {
    if (port->kind == 'f') {
      const double both = real[i];
      if (port->size == 8) memcpy(to + i * 8, &both, 8);
      if (port->size == 4) memcpy(to + i * 4, &real[i], 4);
    } else { /* in single precision, halves away from zero, cut to what an integer holds */
      const float quotient = port->scale != 0 ? real[i] / port->scale : real[i] > 0 ? INFINITY : real[i] < 0 ? -INFINITY : 0;
      const float whole = quotient > 16777216.0f ? 16777216.0f : quotient < -16777216.0f ? -16777216.0f : roundf(quotient);
      int64_t value = (int64_t)whole + port->zero_point;
      value = value < low ? low : value > high ? high : value;
      for (int byte = 0; byte < port->size; ++byte) to[i * (size_t)port->size + (size_t)byte] = (uint8_t)((uint64_t)value >> (8 * byte));
    }
  }
}

/* -- .npy -- */

typedef struct {
  char kind;
  int size, rank;
  uint64_t dims[HAND_MOST_AXES];
} npy_head;

static const char *after(const char *path, const char *head, const char *key) {
  const char *const found = strstr(head, key);
  if (found == NULL) hand_fail("%s: is not an .npy file of a plain array; write one with numpy.save", path);
  return found + strlen(key);
}

/* The head of an .npy file: where the values begin. */
static size_t npy(const char *path, const uint8_t *data, size_t size, npy_head *head) {
  const size_t lead = size > 6 && data[6] > 1 ? 12 : 10;
  size_t length = 0;
  if (size < lead || memcmp(data, "\x93NUMPY", 6) != 0) hand_fail("%s: is not an .npy file; write one with numpy.save", path);
  for (size_t byte = lead; byte-- > 8;) length = length << 8 | data[byte];
  if (length > size - lead) hand_fail("%s: is not whole", path);
  char *const text = hand_memory(length);
  memcpy(text, data + lead, length);
  text[length] = '\0';
  const char *const type = after(path, text, "'descr': '");
  if (sscanf(type, "%*[<|]%c%d'", &head->kind, &head->size) != 2 || strchr("fiub", head->kind) == NULL || head->size < 1 ||
      head->size > 8) {
    hand_fail("%s: holds values of a type that is not read here; write floats or integers of this machine's order", path);
  }
  const int fortran = strncmp(after(path, text, "'fortran_order': "), "True", 4) == 0;
  const char *at = after(path, text, "'shape': (");
  for (head->rank = 0; *at != ')'; ++head->rank) {
    char *end;
    errno = 0;
    const unsigned long long dim = strtoull(at, &end, 10);
    if (end == at || errno != 0 || head->rank == HAND_MOST_AXES) hand_fail("%s: has a shape that is not read here", path);
    head->dims[head->rank] = dim;
    at = end + strspn(end, ", ");
  }
  if (fortran && head->rank > 1) hand_fail("%s: is in Fortran order; write it with numpy.save(..., numpy.ascontiguousarray(x))", path);
  free(text);
  return lead + length;
}

static const char *listed(int rank, const uint64_t *dims, const hand_port *port) {
  static char text[2][512];
  char *const to = text[port != NULL];
  size_t held = 0;
  const int count = port != NULL ? port->rank : rank;
  held += (size_t)snprintf(to, sizeof text[0], "(");
  for (int axis = 0; axis < count; ++axis) {
    const char *const between = axis > 0 ? ", " : "";
    if (port != NULL && port->counted && axis == 0 && port->dims[0] == 1) {
      held += (size_t)snprintf(to + held, sizeof text[0] - held, "N");
    } else {
      const uint64_t dim = port != NULL ? port->dims[axis] : dims[axis];
      held += (size_t)snprintf(to + held, sizeof text[0] - held, "%s%" PRIu64, between, dim);
    }
  }
  snprintf(to + held, sizeof text[0] - held, count == 1 ? ",)" : ")");
  return to;
}

const char *hand_type(char kind, int size) {
  static char text[2][16];
  static int turn;
  const char *const name = kind == 'f' ? "float" : kind == 'u' ? "uint" : kind == 'b' ? "bool" : "int";
  turn = !turn;
  if (kind == 'b') snprintf(text[turn], sizeof text[0], "bool");
  else snprintf(text[turn], sizeof text[0], "%s%d", name, 8 * size);
  return text[turn];
}

/* How many samples an array of that shape holds for the input; 0: it does not fit. */
static size_t samples(const hand_port *port, const npy_head *head, int *stacked) {
  const int own = head->rank - port->rank;
  *stacked = own == 1 && !port->counted;
  if (own != 0 && !*stacked) return 0;
  for (int axis = *stacked ? 0 : port->counted; axis < port->rank; ++axis) {
    if (head->dims[axis + own] != port->dims[axis]) return 0;
  }
  if (*stacked) return head->dims[0];
  if (!port->counted) return 1;
  return port->dims[0] == 1 ? head->dims[0] : head->dims[0] == port->dims[0];
}

hand_values hand_array(const char *path, const hand_port *port) {
  if (hand_ends(path, ".npz")) hand_fail("%s: .npz files are not read here; give an .npy for each input, in their order", path);
  size_t size;
  uint8_t *const data = hand_read(path, &size);
  hand_values found = {data, 0, 0};
  if (!hand_ends(path, ".npy")) { /* the input's own bytes */
    const int several = !port->counted || port->dims[0] == 1;
    if (size == 0 || port->bytes == 0 || size % port->bytes != 0 || (!several && size != port->bytes)) {
      hand_fail("%s: has %zu bytes, and input '%s' %zu%s, of %s %s; else give an .npy", path, size, port->name, port->bytes,
                several ? " a sample" : "", hand_type(port->kind, port->size), listed(0, NULL, port));
    }
    found.count = size / port->bytes;
    found.stacked = !port->counted && found.count > 1;
    return found;
  }
  npy_head head;
  const size_t begin = npy(path, data, size, &head);
  uint64_t elements = 1;
  for (int axis = 0; axis < head.rank; ++axis) {
    if (head.dims[axis] != 0 && elements > size / head.dims[axis]) hand_fail("%s: is not whole", path);
    elements *= head.dims[axis];
  }
  if ((size - begin) / (uint64_t)head.size < elements) hand_fail("%s: is not whole", path);
  found.count = samples(port, &head, &found.stacked);
  if (found.count == 0 || elements == 0) {
    hand_fail("%s: has shape %s, and input '%s' takes %s", path, listed(head.rank, head.dims, NULL), port->name, listed(0, NULL, port));
  }
  if (head.kind == port->kind && head.size == port->size && head.kind != 'f') {
    found.data = data + begin;
    return found;
  }
  const int is_pixels = head.kind == 'u' && head.size == 1;
  const int is_real = head.kind == 'f' && head.size >= 4;
  if ((!is_real && !is_pixels) || (port->kind != 'f' && !port->quantized)) {
    const char *const own = hand_type(port->kind, port->size);
    const int is_plain = port->kind == 'f' || (port->kind == 'u' && port->size == 1 && port->quantized);
    hand_fail("%s: holds %s, and input '%s' takes %s%s", path, hand_type(head.kind, head.size), port->name,
              is_plain ? "float32 or uint8" : port->quantized ? "float32, uint8 or " : "", is_plain ? "" : own);
  }
  const hand_port given = {.kind = head.kind, .size = head.size, .scale = 1.0f};
  float *const real = hand_memory(elements * sizeof(float));
  for (uint64_t i = 0; i < elements; ++i) {
    real[i] = (float)hand_real(&given, data + begin, i);
    if (!isfinite(real[i])) hand_fail("%s: has NaN or infinite values", path);
  }
  free(data);
  found.data = hand_memory(elements * (size_t)port->size);
  hand_quantize(port, real, elements, is_pixels, found.data);
  free(real);
  return found;
}
