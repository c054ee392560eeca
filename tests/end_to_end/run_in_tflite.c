/* usage: run_in_tflite LIBEDGEBNN MODEL INPUT OUTPUT
 *
 * A program without Python that loads the library as an external delegate, the way benchmark_model
 * --external_delegate_path does: dlopen, tflite_plugin_create_delegate, ModifyGraphWithDelegate. The interpreter is the
 * one that TensorFlow's libtensorflow_cc.so exports, in C++ alone; so its functions are called by the names and the
 * calling convention of C++ on x86-64 Linux: a returned unique_ptr is written through a hidden first argument. INPUT and
 * OUTPUT are the raw bytes of the arguments "x" and "y" of the signature "serving_default". */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tflite_layout.h"

enum { OBJECT_BYTES = 1 << 14 }; /* more than any of the objects constructed here */

#define CXX(name) __asm__(name)

void *default_error_reporter(void) CXX("_ZN6tflite20DefaultErrorReporterEv");
void build_model(void **model, const char *path, void *reporter)
    CXX("_ZN6tflite4impl15FlatBufferModel13BuildFromFileEPKcPNS_13ErrorReporterE");
void make_resolver(void *resolver) CXX("_ZN6tflite3ops7builtin17BuiltinOpResolverC1Ev");
void make_builder(void *builder, const void *model, const void *resolver, const void *options)
    CXX("_ZN6tflite4impl18InterpreterBuilderC1ERKNS0_15FlatBufferModelERKNS_10OpResolverEPKNS_18InterpreterOptionsE");
int build_interpreter(void *builder, void **interpreter)
    CXX("_ZN6tflite4impl18InterpreterBuilderclEPSt10unique_ptrINS0_11InterpreterESt14default_deleteIS3_EE");
int modify_graph(void *interpreter, void *delegate)
    CXX("_ZN6tflite4impl11Interpreter23ModifyGraphWithDelegateEP14TfLiteDelegate");
int allocate_tensors(void *interpreter) CXX("_ZN6tflite4impl11Interpreter15AllocateTensorsEv");
void *signature_runner(void *interpreter, const char *key) CXX("_ZN6tflite4impl11Interpreter18GetSignatureRunnerEPKc");
LiteTensor *input_tensor(void *runner, const char *name) CXX("_ZN6tflite4impl15SignatureRunner12input_tensorEPKc");
const LiteTensor *output_tensor(const void *runner, const char *name)
    CXX("_ZNK6tflite4impl15SignatureRunner13output_tensorEPKc");
int invoke(void *interpreter) CXX("_ZN6tflite4impl11Interpreter6InvokeEv");
void destroy_interpreter(void *interpreter) CXX("_ZN6tflite4impl11InterpreterD1Ev");

static void require(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

static void report(const char *message) { fprintf(stderr, "%s\n", message); }

int main(int count, char **arguments) {
  require(count == 5, "usage");
  void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  require(library != NULL, "dlopen");
  void *(*create)(char **, char **, size_t, void (*)(const char *));
  void (*destroy)(void *);
  *(void **)&create = dlsym(library, "tflite_plugin_create_delegate");
  *(void **)&destroy = dlsym(library, "tflite_plugin_destroy_delegate");
  require(create != NULL && destroy != NULL, "dlsym");
  char *keys[] = {"num_threads"}, *values[] = {"2"};
  void *delegate = create(keys, values, 1, report);
  require(delegate != NULL, "tflite_plugin_create_delegate");

  void *model = NULL, *interpreter = NULL;
  void *resolver = calloc(1, OBJECT_BYTES), *builder = calloc(1, OBJECT_BYTES);
  build_model(&model, arguments[2], default_error_reporter());
  require(model != NULL, "BuildFromFile");
  make_resolver(resolver);
  make_builder(builder, model, resolver, NULL);
  require(build_interpreter(builder, &interpreter) == 0 && interpreter != NULL, "InterpreterBuilder");
  require(modify_graph(interpreter, delegate) == 0, "ModifyGraphWithDelegate");
  require(allocate_tensors(interpreter) == 0, "AllocateTensors");

  void *runner = signature_runner(interpreter, "serving_default");
  require(runner != NULL, "GetSignatureRunner");
  LiteTensor *x = input_tensor(runner, "x");
  FILE *input = fopen(arguments[3], "rb");
  require(x != NULL && input != NULL && fread(x->data, 1, x->bytes, input) == x->bytes, "input");
  fclose(input);
  require(invoke(interpreter) == 0, "Invoke");
  const LiteTensor *y = output_tensor(runner, "y");
  FILE *output = fopen(arguments[4], "wb");
  require(y != NULL && output != NULL && fwrite(y->data, 1, y->bytes, output) == y->bytes, "output");
  require(fclose(output) == 0, "output");
  destroy_interpreter(interpreter);
  destroy(delegate);
  puts("done");
  return 0;
}
