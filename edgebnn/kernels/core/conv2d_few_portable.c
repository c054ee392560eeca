/* int8 convolution of few input channels in plain C. */
#include "conv2d_few_output.h"

#define SUM int32_t
#define INPUT int8_t
#define KERNEL eb_conv2d_few_portable
#define FEW_KERNEL conv2d_few_portable
#define write_pixel eb_few_write_int32

#include "conv2d_few_plain.h"
