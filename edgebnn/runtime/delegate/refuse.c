/* Refusals: kept in the delegate for whoever asks, printed if the delegate may. */
#include <stdarg.h>
#include <stdio.h>

#include "delegate.h"

static void print(const eb_delegate *delegate) {
  if (delegate->log) fprintf(stderr, "edgebnn delegate: %s\n", delegate->message);
}

void eb_forget_refusal(eb_delegate *delegate) {
  delegate->message[0] = 0;
  delegate->mismatch = false;
}

bool eb_refuse(eb_delegate *delegate, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(delegate->message, sizeof delegate->message, format, arguments);
  va_end(arguments);
  print(delegate);
  return false;
}

bool eb_refuse_op(eb_delegate *delegate, const eb_op *op, const char *format, ...) {
  const size_t size = sizeof delegate->message;
  const int written = snprintf(delegate->message, size / 2, "%s '%s': ", op->kind->custom_code, op->name);
  const size_t at = written < 0 ? 0 : (size_t)written < size / 2 ? (size_t)written : size / 2 - 1;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(delegate->message + at, size - at, format, arguments);
  va_end(arguments);
  print(delegate);
  return false;
}

/* By its schedule, or by the option. */
static const char *kernel_asked_for(const eb_delegate *delegate, const eb_op *op) {
  const eb_schedule *schedule = eb_schedule_of(delegate, op->node);
  return schedule != NULL ? schedule->kernel : delegate->kernel;
}

bool eb_refuse_status(eb_delegate *delegate, const eb_op *op, eb_status status) {
  switch (status) {
    case EB_OK:
      return true;
    case EB_BAD_SIZE:
      return eb_refuse_op(delegate, op, "a dimension or a number of channels is below 1");
    case EB_BAD_STRIDE:
      return eb_refuse_op(delegate, op, "a stride or dilation is below 1");
    case EB_BAD_OPTION:
      return eb_refuse_op(delegate, op, "its padding, pad value, activation or type is none that exists");
    case EB_BAD_GROUPS:
      return eb_refuse_op(delegate, op, "its channels do not divide into groups of whole words of 32");
    case EB_BAD_QUANTIZATION:
      return eb_refuse_op(delegate, op, "its scale is not finite and positive, or its zero point not an int8");
    case EB_EMPTY_OUTPUT:
      return eb_refuse_op(delegate, op, "its window is larger than its input");
    case EB_TOO_LARGE:
      return eb_refuse_op(delegate, op, "it is too large to be counted with 32 bits");
    case EB_UNSUPPORTED:
      return eb_refuse_op(delegate, op, "padding with zeros, packed output and an odd number of channels do not go together");
    case EB_UNKNOWN_KERNEL:
      return eb_refuse_op(delegate, op, "there is no kernel '%s'", kernel_asked_for(delegate, op));
    case EB_BAD_SCHEDULE:
      return eb_refuse_op(delegate, op, "its schedule is not one that '%s' can follow", kernel_asked_for(delegate, op));
    case EB_CPU_LACKS_KERNEL:
      return eb_refuse_op(delegate, op, "this processor cannot run the kernel '%s'", kernel_asked_for(delegate, op));
  }
  return eb_refuse_op(delegate, op, "%s", eb_status_name(status));
}
