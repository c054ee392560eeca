/* float32 convolution of few input channels in plain C. */
#include "conv2d_few_output.h"

#define SUM float
#define INPUT float
#define KERNEL eb_conv2d_few_float_portable
#define FEW_KERNEL conv2d_few_float_portable
#define write_pixel eb_few_write_float

#include "conv2d_few_plain.h"
