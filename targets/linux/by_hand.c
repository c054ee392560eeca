/* A network's program as a person starts it: on pictures or arrays, with answers in words, as JSON or in files. With
 * --serve it serves a caller instead (runner.c). What run.py is for versions with Python, this is for those without;
 * options and JSON are the same. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "by_hand.h"
#include "network_io.h"

enum { INPUTS = NETWORK_INPUT_COUNT, OUTPUTS = NETWORK_OUTPUT_COUNT };

static const hand_port input_ports[INPUTS + 1] = {NETWORK_INPUT_PORTS};
static const hand_port output_ports[OUTPUTS + 1] = {NETWORK_OUTPUT_PORTS};
static const hand_image image = NETWORK_IMAGE;
static const hand_label labels[NETWORK_LABEL_COUNT + 1] = {NETWORK_LABELS};
static const char *program = "network";

static uint8_t inputs[NETWORK_INPUT_BYTES + 1] __attribute__((aligned(16)));
static uint8_t outputs[NETWORK_OUTPUT_BYTES + 1] __attribute__((aligned(16)));

/* What the command line asks for. */
typedef struct {
  const char **files, **written;
  int file_count, written_count, top, as_json;
} options;

static void vsay(const char *before, const char *format, va_list arguments) {
  fprintf(stderr, "%s: %s", program, before);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

_Noreturn void hand_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsay("", format, arguments);
  va_end(arguments);
  exit(1);
}

void hand_warn(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsay("warning: ", format, arguments);
  va_end(arguments);
}

/* -- running -- */

static void run(const hand_values *values, size_t sample) {
  size_t to = 0;
  for (int i = 0; i < INPUTS; ++i) {
    const size_t from = values[i].count > 1 ? sample : 0;
    memcpy(inputs + to, values[i].data + from * input_ports[i].bytes, input_ports[i].bytes);
    to += input_ports[i].bytes;
  }
  if (network_call(inputs, outputs) != 0) hand_fail("the device has too little memory for this model");
}

/* -- printing -- */

static void print_number(double number, int as_json) {
  if (isnan(number)) printf(as_json ? "NaN" : "nan");
  else if (isinf(number)) printf("%s%s", number < 0 ? "-" : "", as_json ? "Infinity" : "inf");
  else printf("%.9g", number); /* nine digits tell every float from its neighbours */
}

static void print_value(const hand_port *port, const uint8_t *data, size_t index, int as_json) {
  if (port->kind == 'f' || port->quantized) print_number(hand_real(port, data, index), as_json);
  else if (port->kind == 'b') printf(hand_integer(port, data, index) ? "true" : "false");
  else if (port->kind == 'u') printf("%" PRIu64, (uint64_t)hand_integer(port, data, index));
  else printf("%" PRId64, hand_integer(port, data, index));
}

/* An output of so many samples, [N, ...]: its shape. */
static int shape_of(const hand_port *port, size_t count, int whole, uint64_t *dims) {
  const int leads = port->rank > 0 && port->dims[0] == 1;
  int rank = 0;
  if (!whole) dims[rank++] = count;
  for (int axis = whole || !leads ? 0 : 1; axis < port->rank; ++axis) dims[rank++] = port->dims[axis];
  return rank;
}

static size_t print_nested(const hand_port *port, const uint8_t *data, const uint64_t *dims, int rank, size_t at, int as_json) {
  if (rank == 0) {
    print_value(port, data, at, as_json);
    return at + 1;
  }
  putchar('[');
  for (uint64_t i = 0; i < dims[0]; ++i) {
    if (i > 0) printf(as_json ? ", " : rank > 1 ? "\n " : " ");
    at = print_nested(port, data, dims + 1, rank - 1, at, as_json);
  }
  putchar(']');
  return at;
}

static void print_arrays(uint8_t *const *results, size_t count, int whole, int as_json) {
  uint64_t dims[HAND_MOST_AXES + 1];
  if (as_json) putchar('{');
  for (int i = 0; i < OUTPUTS; ++i) {
    const int rank = shape_of(&output_ports[i], count, whole, dims);
    if (as_json) {
      printf("%s%s: ", i > 0 ? ", " : "", output_ports[i].json);
    } else {
      printf("%s [", output_ports[i].name);
      for (int axis = 0; axis < rank; ++axis) printf("%s%" PRIu64, axis > 0 ? ", " : "", dims[axis]);
      printf("]\n");
    }
    print_nested(&output_ports[i], results[i], dims, rank, 0, as_json);
    if (!as_json) putchar('\n');
  }
  if (as_json) printf("}\n");
}

/* -- writing -- */

static void head_of_npy(FILE *file, const hand_port *port, size_t count, int whole) {
  uint64_t dims[HAND_MOST_AXES + 1];
  char text[1024];
  const int rank = shape_of(port, count, whole, dims);
  const int is_real = port->kind == 'f' || port->quantized;
  int held = snprintf(text, sizeof text, "{'descr': '%s%c%d', 'fortran_order': False, 'shape': (", port->size == 1 && !is_real ? "|" : "<",
                      is_real ? 'f' : port->kind, port->quantized ? 4 : port->size);
  for (int axis = 0; axis < rank; ++axis) held += snprintf(text + held, sizeof text - (size_t)held, "%" PRIu64 ",", dims[axis]);
  held += snprintf(text + held, sizeof text - (size_t)held, "), }");
  while ((10 + held + 1) % 64 != 0) text[held++] = ' ';
  text[held++] = '\n';
  const uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)held, (uint8_t)(held >> 8)};
  fwrite(head, 1, sizeof head, file);
  fwrite(text, 1, (size_t)held, file);
}

/* An output: real numbers as .npy, else the model's own bytes. It is renamed into place when it is whole. */
static void write_output(const char *path, const hand_port *port, const uint8_t *data, size_t count, int whole) {
  const size_t elements = port->bytes / (size_t)port->size * (whole ? 1 : count);
  char *const part = hand_memory(strlen(path) + 32);
  sprintf(part, "%s.part-%ld", path, (long)getpid());
  FILE *const file = fopen(part, "wb");
  if (file == NULL) hand_fail("%s: cannot be written", path);
  if (!hand_ends(path, ".npy") || !port->quantized) {
    if (hand_ends(path, ".npy")) head_of_npy(file, port, count, whole);
    fwrite(data, (size_t)port->size, elements, file);
  } else {
    head_of_npy(file, port, count, whole);
    for (size_t i = 0; i < elements; ++i) {
      const float real = (float)hand_real(port, data, i);
      fwrite(&real, sizeof real, 1, file);
    }
  }
  const int failed = ferror(file) | fflush(file);
  if (fclose(file) != 0 || failed != 0 || rename(part, path) != 0) {
    remove(part);
    hand_fail("%s: cannot be written; is the disk full?", path);
  }
  free(part);
}

/* -- what is asked for -- */

/* The classes with the highest scores, best first; of equal ones the first. */
static void print_classes(const char *file, int top, int as_json, int is_first) {
  const hand_port *const port = &output_ports[image.output];
  const size_t classes = port->bytes / (size_t)port->size;
  const uint8_t *scores = outputs;
  uint8_t *const taken = hand_memory(classes);
  for (int i = 0; i < image.output; ++i) scores += output_ports[i].bytes;
  memset(taken, 0, classes);
  if (as_json) {
    printf("%s{\"image\": \"", is_first ? "" : ", ");
    for (const char *at = file; *at != '\0'; ++at) {
      if (*at == '"' || *at == '\\') printf("\\%c", *at);
      else if ((unsigned char)*at < 32) printf("\\u%04x", *at);
      else putchar(*at);
    }
    printf("\", \"classes\": [");
  } else {
    printf("%s\n", file);
  }
  for (int rank = 0; rank < top && (size_t)rank < classes; ++rank) {
    size_t best = classes;
    for (size_t i = 0; i < classes; ++i) {
      if (taken[i]) continue;
      const double score = hand_real(port, scores, i), before = best < classes ? hand_real(port, scores, best) : 0;
      if (best == classes || score > before || (isnan(before) && !isnan(score))) best = i;
    }
    taken[best] = 1;
    const double score = hand_real(port, scores, best);
    const hand_label none = {"", "\"\""}, *const label = NETWORK_LABEL_COUNT > 0 ? &labels[best] : &none;
    if (as_json) {
      printf("%s{\"label\": %s, \"score\": ", rank > 0 ? ", " : "", label->json);
      print_number(score, 1);
      printf(", \"index\": %zu}", best);
    } else if (label->text[0] != '\0') {
      printf("  %.4f  %s\n", score, label->text);
    } else {
      printf("  %.4f  %zu\n", score, best);
    }
  }
  if (as_json) printf("]}");
  free(taken);
}

static int is_picture(const char *path) {
  static const char *const endings[] = {".ppm", ".pgm", ".pnm", ".PPM", ".PGM", ".PNM"};
  static const char *const others[] = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".JPG", ".JPEG", ".PNG"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
    if (hand_ends(path, others[i])) hand_fail("%s: pictures are read as PPM or PGM here; ffmpeg -i %s x.ppm makes one", path, path);
  }
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; ++i) {
    if (hand_ends(path, endings[i])) return 1;
  }
  return 0;
}

static void classify(const options *given) {
  if (image.why != NULL) hand_fail("%s", image.why);
  if (given->written_count > 0) hand_fail("-o: classes of pictures are printed; give -o with an .npy or raw values");
  hand_values *const values = hand_memory((size_t)given->file_count * sizeof(hand_values));
  for (int i = 0; i < given->file_count; ++i) { /* all are read before any is run */
    if (!is_picture(given->files[i])) hand_fail("%s: give pictures alone, or an array for each input", given->files[i]);
    values[i] = hand_picture(given->files[i], &input_ports[0], &image);
  }
  if (given->as_json) printf("{\"images\": [");
  for (int i = 0; i < given->file_count; ++i) {
    run(&values[i], 0);
    print_classes(given->files[i], given->top, given->as_json, i == 0);
  }
  if (given->as_json) printf("]}\n");
}

static void compute(const options *given) {
  hand_values values[INPUTS + 1];
  size_t count = 1;
  int whole = 1, alike = 1;
  if (given->file_count != INPUTS) {
    hand_fail("the model has %d input%s: give one .npy or file of raw values for each, %d are given", INPUTS, INPUTS == 1 ? "" : "s",
              given->file_count);
  }
  if (given->written_count != 0 && given->written_count != OUTPUTS) {
    hand_fail("the model has %d outputs: give -o for each, in their order", OUTPUTS);
  }
  for (int i = 0; i < given->written_count; ++i) { /* raw values would be no archive */
    const char *const path = given->written[i];
    if (hand_ends(path, ".npz")) hand_fail("%s: .npz files are not written here; give -o with an .npy for each output", path);
  }
  for (int i = 0; i < INPUTS; ++i) {
    const char *const path = given->files[i];
    for (int j = 0; j < i; ++j) {
      if (strcmp(path, "-") == 0 && strcmp(given->files[j], "-") == 0) hand_fail("-: standard input is read once");
    }
    values[i] = hand_array(path, &input_ports[i]);
    alike = alike && input_ports[i].counted;
    if (values[i].count > 1 || values[i].stacked) whole = 0;
    if (values[i].count > 1 && count > 1 && values[i].count != count) {
      hand_fail("%s: holds %zu samples, and others %zu", path, values[i].count, count);
    }
    count = values[i].count > count ? values[i].count : count;
  }
  for (int i = 0; i < INPUTS; ++i) {
    if (alike && values[i].count != count) hand_fail("%s: holds %zu samples, and others %zu", given->files[i], values[i].count, count);
  }
  /* One sample that has an axis for it is a batch of one; what the file takes several of at a time is given as it is. */
  whole = whole && (!alike || INPUTS == 0 || input_ports[0].dims[0] != 1);
  uint8_t *results[OUTPUTS + 1];
  for (int i = 0; i < OUTPUTS; ++i) {
    if (output_ports[i].bytes > 0 && count > (SIZE_MAX / 2) / output_ports[i].bytes) hand_fail("the device has too little memory for this");
    results[i] = hand_memory(output_ports[i].bytes * count);
  }
  for (size_t sample = 0; sample < count; ++sample) {
    const uint8_t *from = outputs;
    run(values, sample);
    for (int i = 0; i < OUTPUTS; ++i) {
      memcpy(results[i] + sample * output_ports[i].bytes, from, output_ports[i].bytes);
      from += output_ports[i].bytes;
    }
  }
  for (int i = 0; i < given->written_count; ++i) write_output(given->written[i], &output_ports[i], results[i], count, whole);
  if (given->as_json || given->written_count == 0) print_arrays(results, count, whole, given->as_json);
}

static void describe(const char *role, const hand_port *ports, int count) {
  for (int i = 0; i < count; ++i) {
    printf("%s %s: %s [", role, ports[i].name, hand_type(ports[i].kind, ports[i].size));
    for (int axis = 0; axis < ports[i].rank; ++axis) printf("%s%" PRIu32, axis > 0 ? ", " : "", ports[i].dims[axis]);
    printf("], %zu bytes\n", ports[i].bytes);
  }
}

static void help(void) {
  printf("usage: %s [-o FILE] [--top N] [--json] FILE...\n\n"
         "Run the model on pictures, or on arrays.\n\n"
         "  FILE      pictures (.ppm, .pgm); or for each input an .npy [N, ...], or a file of\n"
         "            its values as they are in memory (- is standard input)\n"
         "  -o FILE   where to write an output, once for each: an .npy of real numbers, or its\n"
         "            values as they are\n"
         "  --top N   classes told of each picture (default: 5)\n"
         "  --json    print one JSON object, and nothing else\n\n",
         program);
  describe("input", input_ports, INPUTS);
  describe("output", output_ports, OUTPUTS);
  printf("\nExamples: %s cat.ppm dog.ppm; %s x.npy -o y.npy\n", program, program);
}

static _Noreturn void misused(const char *what, const char *word) {
  fprintf(stderr, "usage: %s [-o FILE] [--top N] [--json] FILE...\n%s: %s%s; --help says more\n", program, program, word, what);
  exit(2);
}

static options parse(int argc, char **argv) {
  options found = {hand_memory((size_t)argc * sizeof(char *)), hand_memory((size_t)argc * sizeof(char *)), 0, 0, 5, 0};
  int only_files = 0;
  for (int i = 1; i < argc; ++i) {
    const char *const word = argv[i];
    if (only_files || word[0] != '-' || word[1] == '\0') found.files[found.file_count++] = word;
    else if (strcmp(word, "--") == 0) only_files = 1;
    else if (strcmp(word, "--json") == 0) found.as_json = 1;
    else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) help(), exit(0);
    else if (strcmp(word, "-o") != 0 && strcmp(word, "--output") != 0 && strcmp(word, "--top") != 0) misused(": there is no such option", word);
    else if (++i == argc) misused(": needs a value", word);
    else if (strcmp(word, "--top") != 0) found.written[found.written_count++] = argv[i];
    else {
      char *end;
      const long top = strtol(argv[i], &end, 10);
      if (*end != '\0' || end == argv[i] || top < 1) misused(": is no number of classes", argv[i]);
      found.top = top < 1000000 ? (int)top : 1000000;
    }
  }
  if (found.file_count == 0 && INPUTS > 0) misused("give pictures, or an array for each input", "");
  return found;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--serve") == 0) return network_serve();
  if (argc > 0) program = argv[0];
  const options given = parse(argc, argv);
  if (given.file_count > 0 && is_picture(given.files[0])) classify(&given);
  else compute(&given);
  if (fflush(stdout) != 0 || ferror(stdout)) hand_fail("the answer cannot be written");
  return 0;
}
