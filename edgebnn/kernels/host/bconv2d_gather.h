/* Gathering: the windows of consecutive output pixels as rows of consecutive words, padding filled in. */
#ifndef EDGEBNN_BCONV2D_GATHER_H
#define EDGEBNN_BCONV2D_GATHER_H

#include "bconv2d.h"

/* Whether windows lie in the input as the kernel wants them: one tap, every pixel, nothing to fill in. */
int eb_bconv2d_reads_in_place(const eb_bconv2d_plan *plan);

/* Windows of a group's output pixels [pixel_begin, pixel_end): rows of plan->window_words words. Padding is 0 (+1). */
void eb_bconv2d_gather(const eb_bconv2d_plan *plan, const uint32_t *input, int32_t group, int32_t pixel_begin,
                       int32_t pixel_end, uint32_t *windows);

#endif
