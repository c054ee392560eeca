#ifndef EDGEBNN_CLAMP_FLOAT_H
#define EDGEBNN_CLAMP_FLOAT_H

/* NaN stays NaN. */
static inline float eb_clamp_real(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

#endif
