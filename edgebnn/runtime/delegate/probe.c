/* Probes of the interpreter's struct layouts.
 *
 * Nothing tells a plug-in which layout its interpreter was compiled with, and a wrong guess ends in a crash. So, before
 * anything is relied on, every struct is read with care (eb_read_doubtful) and compared with what must hold in any interpreter, whatever the model:
 *   - the context's function slots lie in the module that called us;
 *   - a node stands directly before its registration, and consecutive pairs at constant distance;
 *   - the tensors that nodes name have a known type, sane dimensions, a readable name, and a constant among them has
 *     as many bytes as its type and dimensions say;
 *   - an int8 tensor's scale is the same reached through both of its fields;
 *   - the parameters of a convolution or dense layer can be read;
 *   - an op whose custom name is one of ours has the custom op's builtin code and readable options.
 * On failure the interpreter's own error reporter is not called: it may be any function. */
#include <string.h>

#include "delegate.h"
#include "op_kinds.h"
#include "system.h"

enum { MAX_PLAN = 1 << 20, MAX_NAME = 64, PAGE = 4096, LINE = 64, MAX_TYPE = 32, MAX_ALLOCATION = 8, MAX_ARRAY = 1 << 20 };

typedef struct {
  eb_delegate *delegate;
  eb_reader reader;
} prober;

static bool mismatch(prober *probe, const char *what) {
  eb_refuse(probe->delegate,
            "this TFLite interpreter's memory layout is not the one edgebnn knows (%s): use another ai-edge-litert or "
            "TensorFlow release, or a newer edgebnn",
            what);
  probe->delegate->mismatch = true;
  return false;
}

/* Copies what may be unmapped memory. */
static bool copy(prober *probe, void *to, const void *from, size_t size) {
  return from != NULL && eb_read_doubtful(&probe->reader, to, from, size);
}

static bool readable(prober *probe, const void *from, size_t size) {
  char sink[PAGE];
  const char *source = from;
  if (source == NULL) return size == 0;
  for (size_t at = 0; at < size; at += PAGE) {
    const size_t part = size - at < PAGE ? size - at : PAGE;
    if (!copy(probe, sink, source + at, part)) return false;
  }
  return true;
}

/* Reads a string, cut to `capacity` - 1 characters, in steps that end within the cache line, and so the page, of its
 * end. */
static bool copy_string(prober *probe, char *to, size_t capacity, const char *from) {
  size_t at = 0;
  while (at + 1 < capacity) {
    size_t part = LINE - ((uintptr_t)(from + at) & (LINE - 1));
    if (part > capacity - 1 - at) part = capacity - 1 - at;
    if (!copy(probe, to + at, from + at, part)) return false;
    if (memchr(to + at, 0, part) != NULL) return true;
    at += part;
  }
  to[at] = 0;
  return true;
}

static bool array_readable(prober *probe, const LiteIntArray *array) {
  int size;
  return copy(probe, &size, array, sizeof size) && size >= 0 && size < MAX_ARRAY &&
         readable(probe, array->data, (size_t)size * sizeof(int));
}

static bool functions_probed(prober *probe, const LiteContext *context, const void *caller) {
  union {
    void *address[6];
    struct {
      void *get_execution_plan, *resize_tensor, *report_error, *add_tensors, *get_node, *replace;
    } named;
  } slots;
  memcpy(&slots.named.get_execution_plan, &context->get_execution_plan, sizeof(void *));
  memcpy(&slots.named.resize_tensor, &context->resize_tensor, sizeof(void *));
  memcpy(&slots.named.report_error, &context->report_error, sizeof(void *));
  memcpy(&slots.named.add_tensors, &context->add_tensors, sizeof(void *));
  memcpy(&slots.named.get_node, &context->get_node_and_registration, sizeof(void *));
  memcpy(&slots.named.replace, &context->replace_node_subsets, sizeof(void *));
  const void *home = eb_module_of(caller);
  if (home == NULL) return mismatch(probe, "the caller's module is unknown");
  for (size_t i = 0; i < sizeof slots / sizeof(void *); i++) {
    if (slots.address[i] == NULL || eb_module_of(slots.address[i]) != home)
      return mismatch(probe, "a function of its context is elsewhere");
  }
  if (context->recommended_num_threads < -1 || context->recommended_num_threads > (1 << 16))
    return mismatch(probe, "number of threads");
  return true;
}

static size_t element_size(int type) {
  switch (type) {
    case LITE_FLOAT32:
    case LITE_INT32:
      return 4;
    case LITE_BOOL:
    case LITE_INT8:
      return 1;
    default:
      return 0; /* not needed here */
  }
}

static bool scales_agree(prober *probe, const LiteTensor *tensor) {
  LiteAffineQuantization affine;
  struct {
    int size;
    float first;
  } scale;
  if (!copy(probe, &affine, tensor->quantization.params, sizeof affine)) return false;
  if (!copy(probe, &scale, affine.scale, sizeof scale) || scale.size < 1) return false;
  return scale.size > 1 || memcmp(&scale.first, &tensor->params.scale, sizeof(float)) == 0;
}

static bool tensor_probed(prober *probe, const LiteContext *context, int index) {
  LiteTensor tensor;
  if (index == LITE_OPTIONAL_TENSOR) return true;
  if (index < 0 || (size_t)index >= context->tensors_size) return mismatch(probe, "tensor index");
  if (!copy(probe, &tensor, &context->tensors[index], sizeof tensor)) return mismatch(probe, "tensors");
  if (tensor.type < 0 || tensor.type > MAX_TYPE) return mismatch(probe, "tensor type");
  if (tensor.allocation_type < 0 || tensor.allocation_type > MAX_ALLOCATION) return mismatch(probe, "allocation type");
  if (!array_readable(probe, tensor.dims)) return mismatch(probe, "tensor dimensions");
  char name[MAX_NAME];
  if (tensor.name != NULL && !copy_string(probe, name, sizeof name, tensor.name)) return mismatch(probe, "tensor name");
  size_t bytes = element_size(tensor.type);
  if (bytes != 0 && tensor.allocation_type == LITE_MMAP_RO && tensor.sparsity == NULL) {
    for (int i = 0; i < tensor.dims->size; i++) bytes *= (size_t)tensor.dims->data[i];
    if (bytes != tensor.bytes) return mismatch(probe, "tensor size");
    if (!readable(probe, tensor.data, bytes < PAGE ? bytes : PAGE)) return mismatch(probe, "tensor data");
  }
  if (tensor.quantization.type < 0 || tensor.quantization.type > MAX_TYPE) return mismatch(probe, "quantization");
  if (tensor.type == LITE_INT8 && tensor.quantization.type == LITE_AFFINE_QUANTIZATION && !scales_agree(probe, &tensor))
    return mismatch(probe, "scale");
  return true;
}

static bool tensors_probed(prober *probe, const LiteContext *context, const LiteIntArray *tensors) {
  if (!array_readable(probe, tensors)) return mismatch(probe, "node's tensors");
  for (int i = 0; i < tensors->size; i++) {
    if (!tensor_probed(probe, context, tensors->data[i])) return false;
  }
  return true;
}

static bool node_probed(prober *probe, LiteContext *context, int index, const char **place) {
  LiteNode *node = NULL, fields;
  LiteRegistration *registration = NULL, entry;
  if (context->get_node_and_registration(context, index, &node, &registration) != LITE_OK)
    return mismatch(probe, "node");
  if (!copy(probe, &fields, node, sizeof fields) || !copy(probe, &entry, registration, sizeof entry))
    return mismatch(probe, "node");
  if ((const char *)registration - (const char *)node != sizeof(LiteNode)) return mismatch(probe, "size of a node");
  const char *first = (const char *)node - (ptrdiff_t)index * (ptrdiff_t)(sizeof fields + sizeof entry);
  if (*place != NULL && *place != first) return mismatch(probe, "size of a registration");
  *place = first;

  const int params = eb_builtin_params_bytes(entry.builtin_code);
  if (params >= 0 && (params == 0 || fields.builtin_data != NULL)) {
    if (params > 0 && !readable(probe, fields.builtin_data, (size_t)params))
      return mismatch(probe, "parameters of a layer");
    return tensors_probed(probe, context, fields.inputs) && tensors_probed(probe, context, fields.outputs);
  }
  char name[MAX_NAME] = "";
  if (entry.custom_name != NULL && !copy_string(probe, name, sizeof name, entry.custom_name))
    return mismatch(probe, "custom name");
  if (eb_op_kind_of(name) == NULL) return true;
  if (entry.builtin_code != LITE_BUILTIN_CUSTOM) return mismatch(probe, "builtin code");
  if (fields.custom_initial_data_size < 0 ||
      !readable(probe, fields.custom_initial_data, (size_t)fields.custom_initial_data_size))
    return mismatch(probe, "custom options");
  return tensors_probed(probe, context, fields.inputs) && tensors_probed(probe, context, fields.outputs);
}

static bool context_probed(prober *probe, LiteContext *context, const void *caller) {
  LiteContext fields;
  if (!copy(probe, &fields, context, sizeof fields)) return mismatch(probe, "context");
  if (!functions_probed(probe, &fields, caller)) return false;
  LiteIntArray *plan = NULL;
  if (context->get_execution_plan(context, &plan) != LITE_OK || !array_readable(probe, plan) || plan->size > MAX_PLAN)
    return mismatch(probe, "execution plan");
  const char *place = NULL;
  for (int i = 0; i < plan->size; i++) {
    if (!node_probed(probe, context, plan->data[i], &place)) return false;
  }
  return true;
}

bool eb_probe_layout(eb_delegate *delegate, LiteContext *context, const void *caller) {
  prober probe = {.delegate = delegate};
  if (!eb_reader_open(&probe.reader)) return eb_refuse(delegate, "no pipe can be made to probe the interpreter");
  const bool agreed = context_probed(&probe, context, caller);
  eb_reader_close(&probe.reader);
  return agreed;
}
