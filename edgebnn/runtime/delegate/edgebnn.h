/* edgebnn's delegate for C and C++ programs: what the shared library exports besides the kernels (kernels.h).
 *
 * A TensorFlow Lite or LiteRT interpreter runs the binary ops of Larq Compute Engine (LceQuantize, LceBconv2d,
 * LceBMaxPool2d, LceDequantize) once the delegate is added to it:
 *
 *   TfLiteDelegate *delegate = tflite_plugin_create_delegate(NULL, NULL, 0, NULL);
 *   TfLiteInterpreterOptionsAddDelegate(options, delegate);
 *
 * or, in C++, interpreter->ModifyGraphWithDelegate(delegate), before AllocateTensors. The interpreter has to be
 * destroyed before the delegate. */
#ifndef EDGEBNN_H
#define EDGEBNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Inside the library, behind kernels.h, what is seen from outside. */
#if defined(EB_EXPORT)
#define EDGEBNN_API EB_EXPORT
#else
#define EDGEBNN_API
#endif

typedef struct TfLiteDelegate TfLiteDelegate;

/* Makes a delegate from `count` options, each a key and a value:
 *   num_threads   0, the default: the interpreter's;
 *   kernels       the name of one kernel for every convolution;
 *   schedule      how single layers are to be computed, as "OP:KERNEL:ORDER:TILES;...", OP being the op's index in the file:
 *                 "3:neon64:ws:pixels=48,blocks=2";
 *   pack_int8     which int8 layers with two-valued weights are run with 1-bit ones: auto, the default: where it pays; all; none;
 *   few_channels  which convolutions of at most four input channels run on our kernels: auto, the default: where it pays; all;
 *                 none;
 *   surroundings  1: the interpreter's own ops around and between binary layers are taken over too, few_channels among them; 0,
 *                 the default: its additions and packed layers alone. For LiteRT's interpreter: TensorFlow's (2.16), when shapes
 *                 change, gives XNNPACK its turn first, and then refuses all that was taken over before;
 *   exact         1: nothing is taken over whose outputs are not those of the interpreter's reference kernels to the bit, such as
 *                 convolutions of float32;
 *   keep_tensors  1: no two ops become one, and the tensors between them keep their values, for an interpreter that preserves all
 *                 tensors;
 *   profile, log  0 or 1.
 * For a wrong option, `report` (or NULL) is called with a message, and NULL is returned. */
EDGEBNN_API TfLiteDelegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                                          void (*report)(const char *message));

EDGEBNN_API void tflite_plugin_destroy_delegate(TfLiteDelegate *delegate);

/* The last refusal, empty if there was none. */
EDGEBNN_API const char *edgebnn_delegate_message(const TfLiteDelegate *delegate);

/* Forgets it, before an attempt that may fail for another's reason. */
EDGEBNN_API void edgebnn_delegate_forget(TfLiteDelegate *delegate);

/* 1 if the last refusal was of the interpreter's memory layout. */
EDGEBNN_API int edgebnn_delegate_mismatch(const TfLiteDelegate *delegate);

/* One op in the last profiled invoke; times are nanoseconds of the system's clock that never goes back. */
typedef struct {
  int node;           /* index of the op in the file */
  int partition;      /* node of the first op of its partition */
  int joined_count;   /* of the ops that are a part of it, */
  const int *joined;  /* and their indices */
  const char *op;     /* custom code */
  const char *name;   /* first output tensor */
  const char *kernel; /* of a convolution; else empty */
  int64_t begin_ns, end_ns;
} edgebnn_op_time;

/* To be called between invokes, by the thread that invokes, as the next. */
EDGEBNN_API void edgebnn_profile_enable(TfLiteDelegate *delegate, int on);

/* Writes up to `capacity` entries in no particular order and returns how many there are. Before the interpreter has
 * allocated its tensors no kernel is known, and before an invoke all times are 0. */
EDGEBNN_API int edgebnn_profile_read(const TfLiteDelegate *delegate, edgebnn_op_time *times, int capacity);

#ifdef __cplusplus
}
#endif

#endif
