/* What the files of the delegate share: the delegate, a partition of the graph that it runs, and one op of it. */
#ifndef EDGEBNN_DELEGATE_H
#define EDGEBNN_DELEGATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/core/conv2d_few.h"
#include "../../kernels/core/dense_float.h"
#include "../../kernels/core/int8_scale.h"
#include "../../kernels/core/int8_sum.h"
#include "../../kernels/core/kernels.h"
#include "../../kernels/core/pool2d.h"
#include "../../kernels/core/rows_block.h"
#include "../../kernels/core/thresholds.h"
#include "../../kernels/core/w1a8.h"
#include "pool.h"
#include "tflite_layout.h"

enum { EB_MAX_RANK = 8, EB_MAX_THREADS = 256, EB_OUTSIDE = -1 };

/* Tensors that one op reads while it runs, and nodes that were joined with it, at most. */
enum { EB_MOST_READ = 24, EB_MOST_JOINED = 48 };

/* Which int8 layers with two-valued weights are run with packed weights. */
enum eb_pack_int8 { EB_PACK_WHERE_IT_PAYS, EB_PACK_ALL, EB_PACK_NONE };

/* Which convolutions of few input channels are run by our kernels. */
enum eb_few_channels { EB_FEW_WHERE_IT_PAYS, EB_FEW_ALL, EB_FEW_NONE };

typedef struct eb_partition eb_partition;
typedef struct eb_op eb_op;

/* How an op is to be computed. */
typedef struct {
  int op; /* its index in the file */
  eb_schedule schedule;
} eb_op_schedule;

typedef struct {
  LiteDelegate lite; /* first: the interpreter knows the delegate by this address */
  char reserved[256]; /* zero: newer interpreters may read fields behind theirs */
  char kernel[64];    /* the forced kernel; empty: the best one */
  char *schedule_text; /* the option `schedule`, whose names of kernels the schedules point to; NULL: none was given */
  eb_op_schedule *schedules;
  int schedule_count;
  int num_threads;    /* 0: as many as the interpreter recommends */
  int pack_int8;      /* enum eb_pack_int8 */
  int few_channels;   /* enum eb_few_channels */
  bool surroundings;  /* the interpreter's ops around and between binary layers are taken over too */
  bool exact;         /* nothing is taken over that is not the reference kernels' bit for bit */
  bool keep_tensors;  /* nothing is fused, and every tensor has memory of its own */
  bool log;           /* refusals go to standard error too */
  atomic_bool profiling;
  bool mismatch;      /* the last refusal was of the interpreter's layout */
  char message[1024]; /* the last refusal */
  eb_pool *pool;
  eb_partition *partitions; /* those alive, latest first */
  eb_op *claimed;           /* while the graph is split: by the index of its node, each op as it was read when it was claimed */
  int claimed_count;
  bool destroyed;           /* by its owner; it goes with the last partition */
} eb_delegate;

typedef struct eb_op_kind eb_op_kind;

typedef struct {
  eb_bconv2d op;
  eb_bconv2d_plan plan;
  void *persistent; /* packed weights; kept as long as the kernel and its memory layout stay the same */
  size_t persistent_bytes;
} eb_op_bconv2d;

typedef struct {
  eb_w1a8 op;
  eb_w1a8_plan plan;
  void *persistent; /* packed weights; kept as long as the kernel stays the same */
  float output_scale; /* its own, whatever is joined with it */
  int keep_num_dims; /* dense */
} eb_op_w1a8;

typedef struct {
  eb_conv2d_few op;
  eb_conv2d_few_plan plan;
  void *persistent; /* packed weights; kept as long as the kernel stays the same */
  float output_scale; /* int8: its own, whatever is joined with it */
  bool is_w1a8;       /* made of our op with 1-bit weights */
} eb_op_conv_few;

/* Zeros around images, of rows of `pixel_bytes * width` bytes. */
typedef struct {
  eb_border border;
  int input_height, input_width, output_height, output_width;
  size_t pixel_bytes;
  int zero; /* the byte that stands for 0 */
} eb_op_few_pad;

typedef struct {
  eb_rows rows;
  eb_thresholds thresholds; /* those of the steps in front, or NULLs */
  eb_int8_thresholds int8_thresholds; /* of int8 those of what was in front of signs, or NULLs: then the reads are parts */
  int channels[EB_MOST_READ]; /* of each part, as the file has it */
} eb_op_quantize;

typedef struct {
  eb_rows rows;
  int type; /* of the tensors */
  int channels[EB_MOST_READ]; /* of each part, as the file has it */
} eb_op_concat;

typedef struct {
  eb_rows rows;
  int before, after; /* channels of zeros */
} eb_op_pad;

typedef struct {
  eb_dense_float op;
  const float *weights; /* of the file */
  float *packed;
} eb_op_dense;

/* What one call of a kind's run reads and writes: the op's reads, and how far its rows lie apart, in elements. */
typedef struct {
  const void *read[EB_MOST_READ];
  size_t stride[EB_MOST_READ];
  void *output;
  size_t output_stride;
  void *scratch;
  bool resumes; /* the scratch is as an earlier call for the same input left it */
} eb_op_memory;

/* A tensor that an op reads while it runs. */
typedef struct {
  int tensor;
  int op;      /* of the partition, that gives it; EB_OUTSIDE: one outside, or a constant */
  int channel; /* from which on it is read */
} eb_read;

/* What a step that scales has besides, in memory of its own: what each value of its operand means, and for the present shapes
 * the constants of each row of operands. */
typedef struct {
  eb_int8_scale scale;
  int32_t table[EB_SCALE_TABLE];
  int32_t *constants; /* NULL: not settled yet */
  int64_t rows;       /* of operands */
  bool looked_up;     /* once and for all: the operand is a constant */
} eb_op_scale;

/* An eb_step whose operand is one of the op's reads. */
typedef struct {
  int kind; /* enum eb_step_kind */
  int read; /* EB_OUTSIDE: EB_STEP_CLAMP */
  float low, high;
  eb_int8_sum sum;
  eb_op_scale *scale; /* EB_STEP_SCALE, else NULL; goes with the op that has the step (eb_steps_release) */
  bool part;    /* the operand is some channels of a wider tensor */
  bool shared;  /* for the present shapes: all rows have the same operand, */
  int64_t rows; /* or so many one after another */
} eb_op_step;

/* One op as the delegate runs it. */
struct eb_op {
  const eb_op_kind *kind;
  const char *name; /* of its first output tensor: the layer's name */
  int node;   /* index of the node, which is the op's index in the file */
  int inputs[5];
  int output;
  eb_read reads[EB_MOST_READ]; /* the first is its input */
  int read_count;
  eb_op_step steps[EB_MOST_STEPS]; /* of its output; of the input in front of signs and pooling */
  int step_count;
  int joined[EB_MOST_JOINED]; /* nodes that it does too */
  int joined_count;

  /* Its place among the ops of the partition, by their indices there. */
  int last_reader; /* of its output; itself: none */
  bool leaves;     /* the output is needed outside */
  int holder;      /* the output lies in the memory of this op's output */
  int root;        /* the output is some channels of this op's output, or all of its own */
  int channel;     /* from which on */
  bool holds_parts; /* others' outputs are channels of its */

  /* What an op's prepare sets for the present shapes, having found it empty. */
  const eb_rows_kernel *rows_kernel;
  eb_units units;       /* of work in one invoke; row 0: does not matter; grain 0: the delegate chooses */
  size_t scratch_bytes; /* for each thread */

  union {
    eb_op_bconv2d bconv2d;
    eb_rows rows;
    eb_op_quantize quantize;
    eb_op_concat concat;
    eb_op_pad pad;
    eb_pool2d pool;
    eb_op_dense dense;
    eb_bmaxpool2d bmaxpool2d;
    eb_op_w1a8 w1a8;
    eb_op_conv_few conv_few;
    eb_op_few_pad few_pad;
  } as;
  int64_t begin_ns, end_ns; /* of the last profiled invoke, eb_now */
};

/* What the delegate knows of one kind of op. All but `run` and `release` refuse by eb_refuse and return false. */
struct eb_op_kind {
  const char *custom_code; /* for messages and profiles; that of a recognised int8 op says so */
  int inputs;
  /* Custom ops only. Checks the node's options and constants and keeps what it needs. Allocates nothing. */
  bool (*read)(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op);
  /* Settles output shape (whose rank is the output's in the file), tiles and memory for the input's present shape. */
  bool (*prepare)(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape);
  void (*run)(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end);
  void (*release)(eb_op *op);
  bool strided; /* rows of its output, and of what it reads, may be parts of longer ones */
};

/* An op of a kind, for the node `index`, of which nothing is read yet. */
static inline eb_op eb_op_new(const eb_op_kind *kind, int index) {
  return (eb_op){.kind = kind, .name = "", .node = index};
}

static inline void eb_op_reads(eb_op *op, int tensor) {
  op->reads[op->read_count++] = (eb_read){.tensor = tensor, .op = EB_OUTSIDE};
}

extern const eb_op_kind eb_kind_quantize;
extern const eb_op_kind eb_kind_dequantize;
extern const eb_op_kind eb_kind_bconv2d;
extern const eb_op_kind eb_kind_bmaxpool2d;
extern const eb_op_kind eb_kind_few_pad;
extern const eb_op_kind eb_kind_few_pool;
extern const eb_op_kind eb_kind_concatenation;
extern const eb_op_kind eb_kind_pad;
extern const eb_op_kind eb_kind_add_padded;
extern const eb_op_kind eb_kind_w1a8_conv2d;
extern const eb_op_kind eb_kind_w1a8_dense;

/* What the interpreter calls to have its graph split. Not inlined, so that its return address lies in the interpreter. */
int eb_delegate_prepare(LiteContext *context, LiteDelegate *lite);

/* Takes the option `schedule`. False: it is none, or gives an op two, or there is no memory. */
bool eb_schedules_read(eb_delegate *delegate, const char *text);

/* The op's, or NULL: as the kernels choose. */
const eb_schedule *eb_schedule_of(const eb_delegate *delegate, int op);

/* The first op that has one and is not among these; -1 if there is none. */
int eb_schedules_beside(const eb_delegate *delegate, const LiteIntArray *nodes);

void eb_schedules_release(eb_delegate *delegate);

/* Frees a destroyed delegate that has no partitions left. */
void eb_release_delegate(eb_delegate *delegate);

/* Before an attempt whose failure may be another's. */
void eb_forget_refusal(eb_delegate *delegate);

/* Keeps the message as the delegate's last refusal and, if asked to, prints it. Always false. */
bool eb_refuse(eb_delegate *delegate, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, in front of it the op and its layer. */
bool eb_refuse_op(eb_delegate *delegate, const eb_op *op, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with what the kernels say in words. True for EB_OK. */
bool eb_refuse_status(eb_delegate *delegate, const eb_op *op, eb_status status);

/* Checks that interpreter and header agree on every struct the delegate reads. `caller` is an address inside the
 * interpreter's module. Refuses by eb_refuse, never by a crash, and sets delegate->mismatch. */
bool eb_probe_layout(eb_delegate *delegate, LiteContext *context, const void *caller);

/* Whether the op has 1-bit weights and int8 activations: op->as.w1a8 is in use. */
bool eb_op_is_w1a8(const eb_op *op);

/* Whether its outputs can become sums at once (EB_STEP_SUM). */
bool eb_w1a8_takes_steps(const eb_op *op);

/* Finds each op's place among the others, and joins what can be done in one step. outputs: the partition's tensors that are
 * needed outside. Refuses by eb_refuse: no memory. */
bool eb_connect(eb_partition *partition, const LiteContext *context, const LiteIntArray *outputs);

/* Chooses the ops' holders, for the tensors' present sizes. False: no memory. */
bool eb_share_memory(eb_partition *partition, const LiteContext *context);

/* The delegate's kernel over one partition: what replaces the LCE nodes in the interpreter's plan. */
LiteRegistration eb_partition_registration(void);

struct eb_partition {
  eb_delegate *delegate;
  eb_partition *previous, *next; /* of the delegate's */
  eb_op *ops;
  int count;
  int threads;
  bool usable;   /* every op could be read */
  char *refusal; /* else why not; NULL: no memory */
  bool ready;    /* prepared for the present shapes */
  void *scratch;
  size_t scratch_bytes;  /* of the whole allocation */
  size_t thread_scratch; /* of one thread */
};

/* The tensor's name for messages. */
static inline const char *eb_tensor_name(const LiteTensor *tensor) { return tensor->name ? tensor->name : "unnamed"; }

#endif
