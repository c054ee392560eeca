/* What a network's program needs when a person starts it: by_hand.c runs the network, by_hand_files.c reads arrays and
 * by_hand_pictures.c pictures. Values are brought to the model's own as edgebnn's Python does it. */
#ifndef EDGEBNN_BY_HAND_H
#define EDGEBNN_BY_HAND_H

#include <stddef.h>
#include <stdint.h>

enum { HAND_MOST_AXES = 16 };

/* An input or output.
 *
 * json: its name as JSON has it. kind, size: of an element, as .npy files say it: 'f', 'i', 'u', 'b', and bytes.
 * counted: its first axis is that of the samples. quantized: real = scale * (q - zero_point).
 * bounded: real numbers of an input lie from low to high; cut: those beyond are cut off.
 * has_pixels: it is an image, whose pixels 0 to 255 are real numbers from pixel_low to pixel_high. */
typedef struct {
  const char *name, *json;
  char kind;
  int size, rank;
  uint32_t dims[HAND_MOST_AXES];
  size_t bytes;
  int counted, quantized;
  float scale;
  int32_t zero_point;
  int bounded, cut;
  float low, high;
  int has_pixels;
  float pixel_low, pixel_high;
} hand_port;

/* The pictures that the network classifies; in ``why`` why it classifies none. Channels: 0 red, 1 green, 2 blue;
 * grey: one of all three. scaled: real = (pixel - mean) / std, else the pixels are the model's own values. */
typedef struct {
  const char *why;
  int height, width, channels, grey, scaled;
  int order[3];
  float mean[3], std[3];
  int output; /* which has the scores */
} hand_image;

typedef struct {
  const char *text, *json;
} hand_label;

/* Values for an input, as the network takes them: ``count`` samples; stacked: it has an axis of samples in front that the
 * file does not know. */
typedef struct {
  uint8_t *data;
  size_t count;
  int stacked;
} hand_values;

/* A message on standard error, and the end. */
_Noreturn void hand_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void hand_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *hand_memory(size_t bytes);

/* A file, or standard input for "-", whole. */
uint8_t *hand_read(const char *path, size_t *size);
int hand_ends(const char *path, const char *ending);
/* The name of a type of elements, as NumPy has it; the text holds for one more call. */
const char *hand_type(char kind, int size);
hand_values hand_array(const char *path, const hand_port *port);
hand_values hand_picture(const char *path, const hand_port *port, const hand_image *image);

/* Real numbers as the input takes them. is_pixels: they are the pixels of an image, from 0 to 255. */
void hand_quantize(const hand_port *port, const float *real, size_t count, int is_pixels, uint8_t *to);
/* Value ``index`` of an array of the port's, as a real number where it is quantized. */
double hand_real(const hand_port *port, const uint8_t *data, size_t index);
int64_t hand_integer(const hand_port *port, const uint8_t *data, size_t index);

#endif
