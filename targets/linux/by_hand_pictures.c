/* Pictures that a person gives a network's program: binary PPM and PGM, which need no library.
 *
 * They are brought to the network's size as Pillow does it with its bilinear filter: each line of the result is the mean
 * of source lines, weighted by a triangle as wide as two lines of the result, or two source lines where these are larger;
 * first down, then across. Grey is 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"

enum { MOST_SIDE = 1 << 16 };

typedef struct {
  const uint8_t *pixels;
  int height, width, channels;
} picture;

/* The next number of the head, behind blanks and comments. */
static int number(const char *path, const uint8_t *data, size_t size, size_t *at) {
  int value = 0, digits = 0;
  while (*at < size && strchr(" \t\r\n#", data[*at]) != NULL && data[*at] != 0) {
    if (data[*at] == '#') {
      while (*at < size && data[*at] != '\n') ++*at;
    } else {
      ++*at;
    }
  }
  for (; *at < size && data[*at] >= '0' && data[*at] <= '9' && value <= MOST_SIDE; ++*at, ++digits) value = 10 * value + data[*at] - '0';
  if (digits == 0 || value > MOST_SIDE) hand_fail("%s: cannot be read as a PPM or PGM picture", path);
  return value;
}

static picture read_picture(const char *path, const uint8_t *data, size_t size) {
  picture found;
  size_t at = 2;
  if (size < 2 || data[0] != 'P' || (data[1] != '5' && data[1] != '6')) {
    hand_fail("%s: is no binary PPM (P6) or PGM (P5) picture; ffmpeg -i cat.jpg cat.ppm makes one, here or elsewhere", path);
  }
  found.channels = data[1] == '6' ? 3 : 1;
  found.width = number(path, data, size, &at);
  found.height = number(path, data, size, &at);
  if (number(path, data, size, &at) != 255) hand_fail("%s: has not 8 bits a channel; write it with pixels from 0 to 255", path);
  found.pixels = data + ++at; /* behind one blank */
  const uint64_t bytes = (uint64_t)found.width * (uint64_t)found.height * (uint64_t)found.channels;
  if (bytes == 0 || at > size || size - at < bytes) hand_fail("%s: is not whole", path);
  if (size - at > bytes) hand_fail("%s: holds more than one picture; give each a file of its own", path);
  return found;
}

static double value(const picture *from, const hand_image *image, int row, int column, int channel) {
  const uint8_t *const at = from->pixels + ((size_t)row * (size_t)from->width + (size_t)column) * (size_t)from->channels;
  if (from->channels == 1) return at[0];
  return image->grey ? 0.299 * at[0] + 0.587 * at[1] + 0.114 * at[2] : at[image->order[channel]];
}

/* The source lines [first, last) that a line is made of; their weights. */
static int weigh(int source, int target, int line, int *first, double *weights) {
  const double ratio = (double)source / target, centre = (line + 0.5) * ratio, reach = ratio > 1 ? ratio : 1;
  double sum = 0;
  const int begin = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
  const int last = end < source ? end : source;
  *first = begin > 0 ? begin : 0;
  for (int at = *first; at < last; ++at) {
    const double weight = 1 - fabs(at + 0.5 - centre) / reach;
    weights[at - *first] = weight > 0 ? weight : 0;
    sum += weights[at - *first];
  }
  for (int at = *first; at < last; ++at) weights[at - *first] = (float)(weights[at - *first] / sum);
  return last - *first;
}

hand_values hand_picture(const char *path, const hand_port *port, const hand_image *image) {
  size_t size;
  uint8_t *const data = hand_read(path, &size);
  const picture from = read_picture(path, data, size);
  const size_t channels = (size_t)image->channels, row = (size_t)from.width * channels;
  float *const tall = hand_memory((size_t)image->height * row * sizeof(float));
  float *const real = hand_memory((size_t)image->height * (size_t)image->width * channels * sizeof(float));
  double *const weights = hand_memory(3 * (size_t)(from.width + from.height + 3) * sizeof(double));
  int first;
  for (int y = 0; y < image->height; ++y) {
    const int count = weigh(from.height, image->height, y, &first, weights);
    for (size_t x = 0; x < row; ++x) {
      double sum = 0;
      for (int i = 0; i < count; ++i) sum += weights[i] * value(&from, image, first + i, (int)(x / channels), (int)(x % channels));
      tall[(size_t)y * row + x] = (float)sum;
    }
  }
  for (int x = 0; x < image->width; ++x) {
    const int count = weigh(from.width, image->width, x, &first, weights);
    for (size_t y = 0; y < (size_t)image->height; ++y) {
      for (size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int i = 0; i < count; ++i) sum += weights[i] * (double)tall[y * row + (size_t)(first + i) * channels + c];
        const float pixel = rintf((float)sum);
        real[(y * (size_t)image->width + (size_t)x) * channels + c] =
            image->scaled ? (pixel - image->mean[c]) / image->std[c] : (pixel - (float)port->zero_point) * port->scale;
      }
    }
  }
  hand_values found = {hand_memory(port->bytes), 1, 0};
  hand_quantize(port, real, (size_t)image->height * (size_t)image->width * channels, 0, found.data);
  free(weights);
  free(tall);
  free(real);
  free(data);
  return found;
}
