/* The delegate's option `schedule`: how single ops are to be computed, "OP:KERNEL:ORDER:TILES" with semicolons between them. */
#include <stdlib.h>
#include <string.h>

#include "delegate.h"

static bool read_op(char *text, eb_op_schedule *read) {
  char *end;
  const long op = strtol(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != ':' || op > INT32_MAX) return false;
  *read = (eb_op_schedule){.op = (int)op};
  return eb_schedule_parse(end + 1, &read->schedule) == EB_OK;
}

bool eb_schedules_read(eb_delegate *delegate, const char *text) {
  eb_schedules_release(delegate);
  if (*text == 0) return true;
  size_t count = 1;
  for (const char *at = text; *at != 0; at++) count += *at == ';';
  delegate->schedule_text = malloc(strlen(text) + 1);
  delegate->schedules = calloc(count, sizeof *delegate->schedules);
  if (delegate->schedule_text == NULL || delegate->schedules == NULL) return false;
  strcpy(delegate->schedule_text, text);
  char *next = delegate->schedule_text;
  while (next != NULL) {
    char *layer = next;
    next = strchr(layer, ';');
    if (next != NULL) *next++ = 0;
    eb_op_schedule *read = &delegate->schedules[delegate->schedule_count];
    if (!read_op(layer, read) || eb_schedule_of(delegate, read->op) != NULL) return false;
    delegate->schedule_count++;
  }
  return true;
}

const eb_schedule *eb_schedule_of(const eb_delegate *delegate, int op) {
  for (int i = 0; i < delegate->schedule_count; i++) {
    if (delegate->schedules[i].op == op) return &delegate->schedules[i].schedule;
  }
  return NULL;
}

int eb_schedules_beside(const eb_delegate *delegate, const LiteIntArray *nodes) {
  for (int i = 0; i < delegate->schedule_count; i++) {
    const int op = delegate->schedules[i].op;
    int at = 0;
    while (at < nodes->size && nodes->data[at] != op) at++;
    if (at == nodes->size) return op;
  }
  return -1;
}

void eb_schedules_release(eb_delegate *delegate) {
  free(delegate->schedules);
  free(delegate->schedule_text);
  delegate->schedules = NULL;
  delegate->schedule_text = NULL;
  delegate->schedule_count = 0;
}
