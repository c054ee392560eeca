#include "select.h"

#include "copies.h"

void eb_select(const eb_select_layer *l, const uint8_t *condition, const void *first, const void *second, void *output) {
  const uint8_t *from[2] = {(const uint8_t *)second, (const uint8_t *)first};
  uint8_t *to = (uint8_t *)output;
  const int32_t *inner = l->picked.axis + 3 * (l->picked.axes - 1), step = l->instead.axis[3 * (l->instead.axes - 1) + 1];
  eb_broadcast_run run = {0}, other = {0};
  do {
    for (int32_t i = 0; i < inner[0]; i++, to += l->element) {
      const int32_t holds = condition[run.first + i * inner[1]] != 0;
      const int32_t place = holds ? run.second + i * inner[2] : other.first + i * step;
      eb_copy_runs(to, from[holds] + place * l->element, 1, 0, 0, l->element, l->element);
    }
    eb_broadcast_next(&l->instead, &other);
  } while (eb_broadcast_next(&l->picked, &run));
}
