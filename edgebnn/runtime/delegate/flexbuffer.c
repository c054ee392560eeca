/* FlexBuffers are written back to front: the last byte is the root's width in bytes, the one before its packed type
 * (type << 2 | log2 of the width of what it points to), and before these the root itself. Offsets count backwards from
 * where they stand. A map is a vector of values, followed by one packed type each and preceded by three words:
 * the offset of its vector of keys, the width of that vector, and the number of entries. */
#include "flexbuffer.h"

#include <string.h>

enum { TYPE_INT = 1, TYPE_UINT = 2, TYPE_INDIRECT_INT = 6, TYPE_INDIRECT_UINT = 7, TYPE_MAP = 9, TYPE_BOOL = 26 };

static bool valid_width(unsigned width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

static bool inside(size_t size, size_t at, size_t length) {
  return at <= size && length <= size - at;
}

static bool read_uint(const uint8_t *data, size_t size, size_t at, unsigned width, uint64_t *value) {
  if (!inside(size, at, width)) return false;
  uint64_t result = 0;
  for (unsigned i = 0; i < width; i++) result |= (uint64_t)data[at + i] << (8 * i);
  *value = result;
  return true;
}

static int64_t sign_extend(uint64_t value, unsigned width) {
  if (width == 8) return (int64_t)value;
  const uint64_t sign = UINT64_C(1) << (8 * width - 1);
  return (int64_t)(value ^ sign) - (int64_t)sign;
}

/* Follows the offset that stands at `at`; what it points to lies before it. */
static bool follow(const uint8_t *data, size_t size, size_t at, unsigned width, size_t *target) {
  uint64_t offset;
  if (!read_uint(data, size, at, width, &offset) || offset > at) return false;
  *target = at - (size_t)offset;
  return true;
}

bool flex_map_open(FlexMap *map, const void *bytes, size_t size) {
  const uint8_t *data = bytes;
  if (data == NULL || size < 3) return false;
  const unsigned root_width = data[size - 1];
  const unsigned packed_type = data[size - 2];
  if (!valid_width(root_width) || size - 2 < root_width || packed_type >> 2 != TYPE_MAP) return false;
  const unsigned width = 1u << (packed_type & 3);
  size_t values;
  if (!follow(data, size, size - 2 - root_width, root_width, &values)) return false;
  if (values < (size_t)3 * width) return false;

  uint64_t key_width, count, key_count;
  size_t keys;
  if (!follow(data, size, values - (size_t)3 * width, width, &keys)) return false;
  if (!read_uint(data, size, values - (size_t)2 * width, width, &key_width) || key_width > 8) return false;
  if (!valid_width((unsigned)key_width) || keys < key_width) return false;
  if (!read_uint(data, size, values - width, width, &count)) return false;
  if (!read_uint(data, size, keys - (size_t)key_width, (unsigned)key_width, &key_count)) return false;
  if (count != key_count || count > size) return false;
  if (!inside(size, values, (size_t)count * (width + 1)) || !inside(size, keys, (size_t)(count * key_width))) return false;

  *map = (FlexMap){.data = data,
           .size = size,
           .values = values,
           .keys = keys,
           .count = (size_t)count,
           .value_width = width,
           .key_width = (unsigned)key_width};
  return true;
}

static bool key_equals(const FlexMap *map, size_t index, const char *key) {
  size_t at;
  if (!follow(map->data, map->size, map->keys + index * map->key_width, map->key_width, &at)) return false;
  const size_t length = strlen(key) + 1;
  return inside(map->size, at, length) && memcmp(map->data + at, key, length) == 0;
}

static bool value_at(const FlexMap *map, size_t index, int64_t *value) {
  const unsigned packed_type = map->data[map->values + map->count * map->value_width + index];
  const unsigned type = packed_type >> 2;
  size_t at = map->values + index * map->value_width;
  unsigned width = map->value_width;
  if (type == TYPE_INDIRECT_INT || type == TYPE_INDIRECT_UINT) {
    if (!follow(map->data, map->size, at, width, &at)) return false;
    width = 1u << (packed_type & 3);
  } else if (type != TYPE_INT && type != TYPE_UINT && type != TYPE_BOOL) {
    return false;
  }
  uint64_t raw;
  if (!read_uint(map->data, map->size, at, width, &raw)) return false;
  const bool is_signed = type == TYPE_INT || type == TYPE_INDIRECT_INT;
  if (!is_signed && raw > INT64_MAX) return false;
  *value = is_signed ? sign_extend(raw, width) : (int64_t)raw;
  return true;
}

bool flex_map_int(const FlexMap *map, const char *key, int64_t *value) {
  for (size_t i = 0; i < map->count; i++) {
    if (key_equals(map, i, key)) return value_at(map, i, value);
  }
  return false;
}
