/* Schedules as text. */
#include <stdlib.h>
#include <string.h>

#include "../core/kernels.h"

static int32_t *tile_named(eb_schedule *schedule, const char *name) {
  if (strcmp(name, "pixels") == 0) return &schedule->tile_pixels;
  if (strcmp(name, "rows") == 0) return &schedule->tile_rows;
  return strcmp(name, "blocks") == 0 ? &schedule->tile_blocks : NULL;
}

static int32_t order_named(const char *name) {
  if (strcmp(name, "os") == 0) return EB_OUTPUT_STATIONARY;
  if (strcmp(name, "ws") == 0) return EB_WEIGHT_STATIONARY;
  return strcmp(name, "rs") == 0 ? EB_ROW_STATIONARY : 0;
}

/* Ends the text at the first `end`, and returns what follows it, or NULL. */
static char *cut(char *text, char end) {
  char *at = strchr(text, end);
  if (at == NULL) return NULL;
  *at = 0;
  return at + 1;
}

static int read_size(const char *text, int32_t *size) {
  char *end;
  if (*text < '0' || *text > '9') return 0;
  const long value = strtol(text, &end, 10);
  if (*end != 0 || value < 1 || value > INT32_MAX) return 0;
  *size = (int32_t)value;
  return 1;
}

eb_status eb_schedule_parse(char *text, eb_schedule *schedule) {
  memset(schedule, 0, sizeof(*schedule));
  schedule->kernel = text;
  char *order = cut(text, ':');
  if (order == NULL || *text == 0) return EB_BAD_SCHEDULE;
  char *tile = cut(order, ':');
  schedule->order = order_named(order);
  if (tile == NULL || schedule->order == 0) return EB_BAD_SCHEDULE;
  for (char *next; tile != NULL && *tile != 0; tile = next) {
    next = cut(tile, ',');
    const char *size = cut(tile, '=');
    int32_t *to = tile_named(schedule, tile);
    if (size == NULL || to == NULL || *to != 0 || !read_size(size, to)) return EB_BAD_SCHEDULE;
  }
  return EB_OK;
}
