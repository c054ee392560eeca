/* Functions of floats without a math library, each in a file of its own. Behind each: how far it is from the exact value at
 * most, in units in the last place, as measured over all exponents against double precision
 * (tests/unit/c_package/test_float_functions.py). None needs more than C's basic operations, each rounded by itself. */
#ifndef EDGEBNN_FLOAT_FUNCTIONS_H
#define EDGEBNN_FLOAT_FUNCTIONS_H

float eb_exp(float x);           /* 0.9 */
float eb_expm1(float x);         /* 1.3 */
float eb_log(float x);           /* 0.85 */
float eb_tanh(float x);          /* 2.5 */
float eb_sin(float x);           /* 3, of any angle */
float eb_cos(float x);           /* 3 */
float eb_sqrt(float x);          /* 0.5 */
float eb_pow(float x, float y);  /* 0.51 */
float eb_normal_cdf(float x);    /* 5.5; the share of the standard normal distribution below x */

#endif
