/* x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x**3), and (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)). */
#include "float_functions.h"
#include "unary.h"

EB_UNARY_KERNEL(gelu_tanh, x / (1.0f + eb_exp(-1.5957691216f * (x + 0.044715f * x * x * x))))
