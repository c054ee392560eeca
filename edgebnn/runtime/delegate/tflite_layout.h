/* The parts of the TFLite interpreter's structs that the delegate touches, declared by their layout.
 *
 * The wheels of ai-edge-litert and TensorFlow export no C symbols and ship no headers, so the delegate talks to the
 * interpreter only through the function pointers of its context. The layouts below are identical, on 32 and 64 bit,
 * in every release from TensorFlow 2.14 to ai-edge-litert 2.4; probe.c verifies them in the running interpreter before
 * they are relied upon.
 *
 * The tests redefine the LAYOUT_* macros, a place in front of each struct and a field that is not used here, to shift
 * the rest and so to prove that the probes refuse a foreign layout. */
#ifndef EDGEBNN_DELEGATE_TFLITE_LAYOUT_H
#define EDGEBNN_DELEGATE_TFLITE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#ifndef LAYOUT_CONTEXT_FRONT
#define LAYOUT_CONTEXT_FRONT
#endif
#ifndef LAYOUT_NODE_FRONT
#define LAYOUT_NODE_FRONT
#endif
#ifndef LAYOUT_REGISTRATION_FRONT
#define LAYOUT_REGISTRATION_FRONT
#endif
#ifndef LAYOUT_TENSOR_FRONT
#define LAYOUT_TENSOR_FRONT
#endif
#ifndef LAYOUT_CONTEXT_UNUSED
#define LAYOUT_CONTEXT_UNUSED void *impl;
#endif
#ifndef LAYOUT_NODE_UNUSED
#define LAYOUT_NODE_UNUSED LiteIntArray *intermediates;
#endif
#ifndef LAYOUT_REGISTRATION_UNUSED
#define LAYOUT_REGISTRATION_UNUSED void *profiling_string;
#endif
#ifndef LAYOUT_TENSOR_UNUSED
#define LAYOUT_TENSOR_UNUSED const void *allocation;
#endif

enum { LITE_OK = 0, LITE_ERROR = 1 };
enum { LITE_FLOAT32 = 1, LITE_INT32 = 2, LITE_BOOL = 6, LITE_INT8 = 9 };
enum { LITE_MMAP_RO = 1, LITE_ARENA_RW = 2, LITE_DYNAMIC = 4 };
enum {
  LITE_BUILTIN_ADD = 0,
  LITE_BUILTIN_AVERAGE_POOL_2D = 1,
  LITE_BUILTIN_CONCATENATION = 2,
  LITE_BUILTIN_CONV_2D = 3,
  LITE_BUILTIN_DEPTHWISE_CONV_2D = 4,
  LITE_BUILTIN_FULLY_CONNECTED = 9,
  LITE_BUILTIN_LOGISTIC = 14,
  LITE_BUILTIN_MAX_POOL_2D = 17,
  LITE_BUILTIN_MUL = 18,
  LITE_BUILTIN_RELU = 19,
  LITE_BUILTIN_RELU_N1_TO_1 = 20,
  LITE_BUILTIN_RELU6 = 21,
  LITE_BUILTIN_CUSTOM = 32,
  LITE_BUILTIN_PAD = 34,
  LITE_BUILTIN_DELEGATE = 51,
  LITE_BUILTIN_PRELU = 54
};
enum { LITE_PADDING_SAME = 1, LITE_PADDING_VALID = 2 };
enum { LITE_AFFINE_QUANTIZATION = 1, LITE_OPTIONAL_TENSOR = -1 };
enum { LITE_DELEGATE_ALLOW_DYNAMIC_TENSORS = 1 };

typedef struct {
  int size;
  int data[];
} LiteIntArray;

typedef struct {
  int size;
  float data[];
} LiteFloatArray;

typedef struct {
  LiteFloatArray *scale;
  LiteIntArray *zero_point;
  int32_t quantized_dimension;
} LiteAffineQuantization;

typedef struct {
  LAYOUT_TENSOR_FRONT
  int type;
  void *data;
  LiteIntArray *dims;
  struct {
    float scale;
    int32_t zero_point;
  } params;
  int allocation_type;
  size_t bytes;
  LAYOUT_TENSOR_UNUSED
  const char *name;
  void *delegate;
  int buffer_handle;
  _Bool data_is_stale;
  _Bool is_variable;
  struct {
    int type;
    void *params;
  } quantization;
  void *sparsity;
  const LiteIntArray *dims_signature;
} LiteTensor;

typedef struct {
  LAYOUT_NODE_FRONT
  LiteIntArray *inputs;
  LiteIntArray *outputs;
  LAYOUT_NODE_UNUSED
  LiteIntArray *temporaries;
  void *user_data;
  const void *builtin_data;
  const void *custom_initial_data;
  int custom_initial_data_size;
  void *delegate;
  _Bool might_have_side_effect;
} LiteNode;

/* builtin_data of ADD and MUL, as far as it is read. */
typedef struct {
  int activation;
} LiteAddParams;

typedef struct {
  int axis;
  int activation;
} LiteConcatenationParams;

/* builtin_data of CONV_2D; newer releases have a field more. */
typedef struct {
  int padding;
  int stride_width, stride_height;
  int activation;
  int dilation_width, dilation_height;
} LiteConvParams;

typedef struct {
  int padding;
  int stride_width, stride_height;
  int depth_multiplier;
  int activation;
  int dilation_width, dilation_height;
} LiteDepthwiseConvParams;

/* As far as it is read. */
typedef struct {
  int padding;
  int stride_width, stride_height;
  int filter_width, filter_height;
  int activation;
} LitePoolParams;

/* As far as it is read. */
typedef struct {
  int activation;
  int weights_format;
  _Bool keep_num_dims;
} LiteFullyConnectedParams;

struct LiteContext;
struct LiteDelegate;

typedef struct {
  LAYOUT_REGISTRATION_FRONT
  void *(*init)(struct LiteContext *context, const char *buffer, size_t length);
  void (*free)(struct LiteContext *context, void *user_data);
  int (*prepare)(struct LiteContext *context, LiteNode *node);
  int (*invoke)(struct LiteContext *context, LiteNode *node);
  LAYOUT_REGISTRATION_UNUSED
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *external;
  void *async_kernel;
  uint64_t inplace_operator;
} LiteRegistration;

typedef struct LiteContext {
  LAYOUT_CONTEXT_FRONT
  size_t tensors_size;
  int (*get_execution_plan)(struct LiteContext *context, LiteIntArray **plan);
  LiteTensor *tensors;
  LAYOUT_CONTEXT_UNUSED
  int (*resize_tensor)(struct LiteContext *context, LiteTensor *tensor, LiteIntArray *dims);
  void (*report_error)(struct LiteContext *context, const char *format, ...);
  int (*add_tensors)(struct LiteContext *context, int count, int *first);
  int (*get_node_and_registration)(struct LiteContext *context, int index, LiteNode **node,
                   LiteRegistration **registration);
  int (*replace_node_subsets)(struct LiteContext *context, LiteRegistration registration, const LiteIntArray *nodes,
                struct LiteDelegate *delegate);
  int recommended_num_threads;
} LiteContext;

typedef struct LiteDelegate {
  void *data;
  int (*prepare)(LiteContext *context, struct LiteDelegate *delegate);
  int (*copy_from_buffer_handle)(void);
  int (*copy_to_buffer_handle)(void);
  void (*free_buffer_handle)(void);
  int64_t flags;
  void *opaque_builder;
} LiteDelegate;

typedef struct {
  LiteDelegate *delegate;
  LiteIntArray *nodes;
  LiteIntArray *inputs;
  LiteIntArray *outputs;
} LiteDelegateParams;

#ifndef EDGEBNN_FOREIGN_LAYOUT
#define LAYOUT_AT(type, field, on64, on32)                                             \
  _Static_assert(offsetof(type, field) == (sizeof(void *) == 8 ? (on64) : (on32)), \
           "layout of " #type "." #field)
LAYOUT_AT(LiteTensor, data, 8, 4);
LAYOUT_AT(LiteTensor, dims, 16, 8);
LAYOUT_AT(LiteTensor, params, 24, 12);
LAYOUT_AT(LiteTensor, allocation_type, 32, 20);
LAYOUT_AT(LiteTensor, bytes, 40, 24);
LAYOUT_AT(LiteTensor, name, 56, 32);
LAYOUT_AT(LiteTensor, quantization, 80, 48);
LAYOUT_AT(LiteNode, temporaries, 24, 12);
LAYOUT_AT(LiteNode, user_data, 32, 16);
LAYOUT_AT(LiteNode, builtin_data, 40, 20);
LAYOUT_AT(LiteNode, custom_initial_data, 48, 24);
LAYOUT_AT(LiteNode, custom_initial_data_size, 56, 28);
LAYOUT_AT(LiteRegistration, builtin_code, 40, 20);
LAYOUT_AT(LiteRegistration, custom_name, 48, 24);
LAYOUT_AT(LiteContext, tensors, 16, 8);
LAYOUT_AT(LiteContext, resize_tensor, 32, 16);
LAYOUT_AT(LiteContext, get_node_and_registration, 56, 28);
LAYOUT_AT(LiteContext, replace_node_subsets, 64, 32);
LAYOUT_AT(LiteContext, recommended_num_threads, 72, 36);
LAYOUT_AT(LiteDelegate, prepare, 8, 4);
LAYOUT_AT(LiteDelegate, flags, 40, 24);
LAYOUT_AT(LiteDelegate, opaque_builder, 48, 32);
_Static_assert(sizeof(LiteTensor) == (sizeof(void *) == 8 ? 112 : 64), "size of LiteTensor");
_Static_assert(sizeof(LiteNode) == (sizeof(void *) == 8 ? 80 : 40), "size of LiteNode");
_Static_assert(sizeof(LiteRegistration) == (sizeof(void *) == 8 ? 88 : 48), "size of LiteRegistration");
#endif

#endif
