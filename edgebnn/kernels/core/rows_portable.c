/* Rows in plain C. */
#include "rows_define.h"

EB_ROWS_DEFINE(portable, EB_CPU_ANY)
