#include "binary_float.h"

#include "binary.h"
#include "clamp_float.h"

#define EB_ARITHMETIC(name, expression) \
  EB_BINARY(eb_##name##_float, eb_binary_float_layer, float, float, eb_clamp_real(expression, l->low, l->high))

EB_ARITHMETIC(add, a + b)
EB_ARITHMETIC(sub, a - b)
EB_ARITHMETIC(mul, a * b)
EB_ARITHMETIC(div, a / b)
EB_ARITHMETIC(maximum, a > b || a != a ? a : b)
EB_ARITHMETIC(minimum, a < b || a != a ? a : b)
EB_ARITHMETIC(squared_difference, (a - b) * (a - b))
EB_ARITHMETIC(prelu, a >= 0 ? a : a * b)
