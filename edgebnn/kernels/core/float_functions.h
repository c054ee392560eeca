/* Functions of floats without a math library, each in a file of its own. How far they are from the exact value was measured
 * over all floats but for eb_pow (tests/unit/c_package/test_float_functions.py); in units in the last place (ulp). */
#ifndef EDGEBNN_FLOAT_FUNCTIONS_H
#define EDGEBNN_FLOAT_FUNCTIONS_H

float eb_exp(float x);
float eb_expm1(float x);
float eb_log(float x);
float eb_tanh(float x);
float eb_sin(float x);
float eb_cos(float x);
float eb_sqrt(float x); /* correctly rounded */
float eb_pow(float x, float y);
float eb_normal_cdf(float x); /* the share of the standard normal distribution below x */

#endif
