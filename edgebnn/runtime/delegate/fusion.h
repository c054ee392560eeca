/* The passes that join the ops of a partition (connect.c runs them in turn). Each takes time in proportion to the number of ops.
 * An op that another has taken over has no kind any longer, until close_up drops it. */
#ifndef EDGEBNN_DELEGATE_FUSION_H
#define EDGEBNN_DELEGATE_FUSION_H

#include "delegate.h"

/* Constant multiplications and additions in front of signs become thresholds; constant steps in front of pooling a part of it.
 * marks: one of each op. */
typedef struct {
  bool folds;   /* all that reads the op's output takes its steps over */
  bool is_read; /* something does */
  bool signs;   /* and some of it are signs in the end */
  bool begins;  /* no steps may fold in front of it */
  bool noted;   /* with an op that took them over */
  int steps;    /* the most that one of them will have then */
} eb_fold_mark;
/* False: no memory. */
bool eb_fold_steps(eb_partition *partition, const LiteContext *context, eb_fold_mark *marks);

/* What int8 becomes by its channel in front of signs, and concatenations of it, become thresholds of parts. marks: one of each op. */
typedef struct {
  int taker; /* the first LceQuantize that looks past the op; EB_OUTSIDE: none */
  int uses;  /* of its output in the partition */
} eb_sign_mark;
/* False: no memory. */
bool eb_fold_int8(eb_partition *partition, const LiteContext *context, eb_sign_mark *marks);

/* Steps behind a convolution become a part of it. uses: how often each op's output is read in the partition. */
void eb_join_steps(eb_partition *partition, const int *uses);

/* ADD of what a PAD of channels gives adds to some channels only. */
void eb_join_pads(eb_partition *partition, const int *uses);

/* PAD in front of convolutions of few channels becomes their border. uses: counts those of PADs down. */
void eb_join_borders(eb_partition *partition, int *uses);

/* Max-pooling behind a convolution of few channels becomes a part of it. False: by eb_refuse. */
bool eb_join_pools(eb_partition *partition, const LiteContext *context, const int *uses);

/* LceQuantize behind such a convolution does too. */
void eb_join_signs(eb_partition *partition, const LiteContext *context, const int *uses);

/* What one op only copies is written into its place at once: roots and channels. marks: one of each op. */
typedef struct {
  bool dense;       /* some op reads the output, and only where its rows follow each other */
  int last_reader;  /* -1: none */
  int before_last;  /* the reader before that one */
  int overwritten;  /* by the op of this index, at which no other must read the output any longer */
} eb_view_mark;
void eb_place_views(eb_partition *partition, const LiteContext *context, eb_view_mark *marks);

/* Whether one op can do what another does too, which has so many reads and steps besides its input. */
static inline bool eb_has_room(const eb_op *op, int reads, int steps, int joined) {
  return op->read_count + reads <= EB_MOST_READ && op->step_count + steps <= EB_MOST_STEPS &&
         op->joined_count + joined <= EB_MOST_JOINED;
}

/* Notes that it does. */
static inline void eb_note_joined(eb_op *op, const eb_op *other) {
  op->joined[op->joined_count++] = other->node;
  for (int i = 0; i < other->joined_count; i++) op->joined[op->joined_count++] = other->joined[i];
}

/* Does the steps of `other` behind its own, with what they read, for which there is room. */
static inline void eb_take_steps(eb_op *op, const eb_op *other) {
  const int before = op->read_count - 1;
  for (int r = 1; r < other->read_count; r++) op->reads[op->read_count++] = other->reads[r];
  for (int s = 0; s < other->step_count; s++) {
    eb_op_step *step = &op->steps[op->step_count++];
    *step = other->steps[s];
    if (step->read != EB_OUTSIDE) step->read += before;
  }
  eb_note_joined(op, other);
}

#endif
