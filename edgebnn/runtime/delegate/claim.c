/* Which nodes the delegate runs: all custom ops of ours; int8 layers with packed weights where that pays; and of the
 * interpreter's ops around binary ones those by which a tensor is neither written nor read once more:
 *   - what lies between: it reads, through others like it, what one of ours gives, and gives what one of ours reads; so a
 *     trunk of additions and concatenations is one partition;
 *   - steps behind a convolution, and PAD in front of and pooling behind one of few channels, which become a part of it;
 *   - concatenations and batch normalizations of int8, all readers of which are signs in the end, which compare with
 *     thresholds of the parts (fold_int8.c), if the interpreter runs them together with these;
 *   - averages of int8 beside ours, and PRELU of int8 anywhere, for which the interpreter has plain code alone;
 *   - constant steps (batch normalizations) all readers of which are signs, whose thresholds they become, or pooling, if that
 *     is of what ours give, or of what becomes signs besides. */
#include "claim.h"

#include <stdlib.h>

#include "op_kinds.h"
#include "op_steps.h"

/* Of looking which ops of ours run together: what is apart after them is right, but slower. */
enum { MOST_TRIES = 8 };

typedef enum { NOT_OURS, CANDIDATE, CLAIMED } claim_state;

typedef struct {
  claim_state state;
  bool constant_steps;
  bool left_out; /* all that needs what it gives are signs, which can be told from what it reads */
  eb_op op;
} claim_node;

/* What is known of a tensor. */
typedef struct {
  bool given;     /* by ours, or through candidates from that */
  bool others;    /* an op of the interpreter's gives it that can only be left to it, */
  bool after;     /* and needs what ours give, or what candidates do from that */
  bool needed;    /* by ours, or through candidates for that */
  bool convolved; /* a convolution gives it, or steps behind one */
  bool few;       /* a convolution of few channels gives it */
  bool stepped;   /* constant steps give it */
  bool signs;     /* it becomes signs */
  const eb_border *border; /* of a PAD that gives it */
  int bordered;   /* nodes that read it, and would have a PAD that gives it as their border */
  int run;        /* of the interpreter's over ours or its own ops, in which it is given, */
  bool passed_on; /* and whether another run reads it */
  int parts;      /* of it, where concatenations of int8 become signs; 0: it is whole */
  int to_signs;   /* readers that need it for signs of int8 alone, */
  int readers;    /* nodes that read it, */
  int may_fold;   /* those of them that could do constant steps that give it, */
  int fold;       /* and that will */
} claim_tensor;

typedef struct {
  eb_delegate *delegate;
  LiteContext *context;
  claim_node *nodes; /* in the order of the plan */
  claim_tensor *tensors;
  int count;
} claims;

static bool packing_is_wanted(const eb_delegate *delegate, const eb_op *op) {
  return delegate->pack_int8 == EB_PACK_ALL || (delegate->pack_int8 == EB_PACK_WHERE_IT_PAYS && eb_int8_pays(op));
}

static bool read_node(claims *c, int index, claim_node *node) {
  LiteNode *lite;
  LiteRegistration *registration;
  if (c->context->get_node_and_registration(c->context, index, &lite, &registration) != LITE_OK)
    return eb_refuse(c->delegate, "node %d cannot be read", index);
  for (int i = 0; i < lite->inputs->size; i++) {
    if (lite->inputs->data[i] >= 0) c->tensors[lite->inputs->data[i]].readers++;
  }
  for (int i = 0; i < lite->outputs->size; i++) {
    if (lite->outputs->data[i] >= 0) c->tensors[lite->outputs->data[i]].others = true; /* unless it is recognised */
  }
  if (registration->builtin_code == LITE_BUILTIN_CUSTOM) {
    const eb_op_kind *kind = eb_op_kind_of(registration->custom_name);
    if (kind == NULL) return true;
    node->state = CLAIMED;
    return eb_op_read(c->delegate, c->context, lite, index, kind, &node->op);
  }
  if (!eb_builtin_recognize(c->delegate, c->context, lite, index, registration->builtin_code, &node->op)) return true;
  node->constant_steps = eb_op_is_steps(&node->op) && eb_steps_are_constant(c->context, &node->op);
  node->state = CANDIDATE;
  if (eb_op_is_conv_few(&node->op) || eb_op_is_int8_prelu(&node->op)) node->state = CLAIMED;
  if (eb_op_is_w1a8(&node->op)) node->state = packing_is_wanted(c->delegate, &node->op) ? CLAIMED : NOT_OURS;
  return true;
}

static claim_tensor *input_of(const claims *c, const claim_node *node) { return &c->tensors[node->op.reads[0].tensor]; }

static claim_tensor *output_of(const claims *c, const claim_node *node) { return &c->tensors[node->op.output]; }

/* Whether it could do constant steps that give its input. */
static bool may_fold(const claim_node *node) {
  return node->op.kind == &eb_kind_quantize || eb_op_is_pool2d(&node->op) || node->constant_steps;
}

/* Whether all that reads the steps in front of a pool could do them: then the pool takes them over, where ours give what they
 * read, or it is read besides for signs. */
static bool folds_steps(const claims *c, const claim_node *node) {
  const claim_tensor *input = input_of(c, node);
  return eb_op_is_pool2d(&node->op) && input->stepped && input->may_fold == input->readers &&
         (input->given || input->signs);
}

/* Whether all that reads the PAD has it as its border. Else it is not ours: what is kept or needed by others is padded by the
 * interpreter. */
static void look_at_pads(claims *c) {
  for (int i = 0; i < c->count; i++) {
    const claim_node *reader = &c->nodes[i];
    if (eb_op_is_conv_few(&reader->op) && input_of(c, reader)->border != NULL &&
        eb_conv_few_takes_border(&reader->op, input_of(c, reader)->border))
      input_of(c, reader)->bordered++;
    if (reader->op.kind == &eb_kind_few_pad) output_of(c, reader)->border = &reader->op.as.few_pad.border;
  }
  for (int i = 0; i < c->count; i++) {
    claim_node *node = &c->nodes[i];
    if (node->op.kind != &eb_kind_few_pad || node->state == NOT_OURS) continue;
    const claim_tensor *output = output_of(c, node);
    const bool is_border = output->readers > 0 && output->bordered == output->readers;
    node->state = is_border && !c->delegate->keep_tensors ? CLAIMED : NOT_OURS;
  }
}

static bool may_leave_int8(const claims *c, const claim_node *node) {
  return !c->delegate->keep_tensors && c->delegate->surroundings &&
         (eb_int8_maps_values(&node->op) || eb_concat_is_int8(&node->op));
}

static int parts_of(const claims *c, const eb_read *read) {
  const int parts = c->tensors[read->tensor].parts;
  return parts > 0 ? parts : 1;
}

/* How many parts signs would have to read of what each node gives, if they look past all that they may. */
static void count_parts(claims *c) {
  for (int i = 0; i < c->count; i++) {
    const claim_node *node = &c->nodes[i];
    if (!may_leave_int8(c, node)) continue;
    int parts = 0;
    for (int r = 0; r < node->op.read_count; r++) parts += parts_of(c, &node->op.reads[r]);
    if (parts <= EB_MOST_READ) output_of(c, node)->parts = parts;
  }
}

/* Int8 that is needed for signs alone is ours to leave out. */
static void look_at_int8(claims *c) {
  count_parts(c);
  for (int i = c->count - 1; i >= 0; i--) {
    claim_node *node = &c->nodes[i];
    if (node->op.kind == NULL) continue;
    const claim_tensor *output = output_of(c, node);
    node->left_out = may_leave_int8(c, node) && output->parts > 0 && output->readers > 0 &&
                     output->to_signs == output->readers;
    if (node->left_out) node->state = CLAIMED;
    if (!node->left_out && node->op.kind != &eb_kind_quantize) continue;
    for (int r = 0; r < node->op.read_count; r++) c->tensors[node->op.reads[r].tensor].to_signs++;
  }
}

/* What each node makes of its input and its output alone. */
static void look_around(claims *c) {
  for (int i = 0; i < c->count; i++) {
    claim_node *node = &c->nodes[i];
    const bool pools_few = eb_few_pool_of(&node->op, &(eb_conv2d_few){0}) && input_of(c, node)->few;
    if (pools_few && !c->delegate->keep_tensors) {
      node->state = CLAIMED;
    } else if (node->op.kind == &eb_kind_few_pool) {
      node->state = NOT_OURS;
    }
    if (node->state == NOT_OURS) continue;
    output_of(c, node)->stepped = node->constant_steps;
    output_of(c, node)->few = eb_op_is_conv_few(&node->op);
    if (may_fold(node)) input_of(c, node)->may_fold++;
    if (node->op.kind == &eb_kind_quantize) input_of(c, node)->signs = true;
  }
}

/* The interpreter's node at that place, or NULL. */
static const LiteNode *node_at(const claims *c, int index) {
  LiteNode *lite;
  LiteRegistration *registration;
  return c->context->get_node_and_registration(c->context, index, &lite, &registration) == LITE_OK ? lite : NULL;
}

/* Of the interpreter's op at that place: whether what it gives comes after ours. */
static void follow(claims *c, int index) {
  const LiteNode *lite = node_at(c, index);
  if (lite == NULL) return;
  bool after = false;
  for (int i = 0; i < lite->inputs->size; i++) {
    const int tensor = lite->inputs->data[i];
    after = after || (tensor >= 0 && (c->tensors[tensor].given || c->tensors[tensor].after));
  }
  for (int i = 0; i < lite->outputs->size; i++) {
    if (lite->outputs->data[i] >= 0) c->tensors[lite->outputs->data[i]].after = after;
  }
}

/* From the first node to the last. */
static void look_forward(claims *c, const LiteIntArray *plan) {
  for (int i = 0; i < c->count; i++) {
    const claim_node *node = &c->nodes[i];
    if (node->state == NOT_OURS) {
      follow(c, plan->data[i]);
      continue;
    }
    claim_tensor *output = output_of(c, node);
    output->given = node->state == CLAIMED || folds_steps(c, node);
    output->convolved = node->op.kind == &eb_kind_bconv2d || eb_op_is_conv_few(&node->op) ||
                        (node->state == CLAIMED && eb_op_is_w1a8(&node->op) && eb_w1a8_takes_steps(&node->op));
    for (int r = 0; r < node->op.read_count; r++) {
      const claim_tensor *read = &c->tensors[node->op.reads[r].tensor];
      output->given = output->given || read->given;
      output->convolved = output->convolved || (read->convolved && eb_op_is_steps(&node->op));
    }
    output->others = !output->given;
  }
}

/* Whether it adds int8 tensors one of which the interpreter's own ops give from what ours do: there the sum would stand alone,
 * for which the interpreter's kernel is the fastest. */
static bool adds_others(const claims *c, const claim_node *node) {
  if (!eb_op_is_steps(&node->op) || node->op.steps[0].kind != EB_STEP_SUM) return false;
  for (int r = 0; r < node->op.read_count; r++) {
    const claim_tensor *read = &c->tensors[node->op.reads[r].tensor];
    if (read->others && read->after) return true;
  }
  return false;
}

/* For a candidate, of which all that reads what it gives is decided. */
static bool is_wanted(const claims *c, const claim_node *node) {
  const claim_tensor *output = output_of(c, node);
  if (adds_others(c, node)) return false;
  if (output->given && output->needed) return true;
  if (eb_op_averages_int8(&node->op) && (output->given || output->needed)) return true;
  if (eb_op_is_steps(&node->op) && output->convolved) return true;
  if (node->constant_steps) return output->readers > 0 && output->fold == output->readers;
  return folds_steps(c, node);
}

/* From the last node to the first. */
static void look_backward(claims *c) {
  for (int i = c->count - 1; i >= 0; i--) {
    claim_node *node = &c->nodes[i];
    if (node->state == CANDIDATE && is_wanted(c, node)) node->state = CLAIMED;
    if (node->state == NOT_OURS || (node->state == CANDIDATE && !output_of(c, node)->needed)) continue;
    for (int r = 0; r < node->op.read_count; r++) c->tensors[node->op.reads[r].tensor].needed = true;
    if (node->state == CLAIMED && may_fold(node)) input_of(c, node)->fold++;
  }
}

/* The run of a node, `ours` or the interpreter's, that reads and gives these tensors: the first of its kind in which all that it
 * reads is there. */
static void find_run(claims *c, const LiteNode *lite, bool ours, int first) {
  int run = first;
  for (int i = 0; i < lite->inputs->size; i++) {
    const int tensor = lite->inputs->data[i];
    if (tensor >= 0 && c->tensors[tensor].run > run) run = c->tensors[tensor].run;
  }
  if (run % 2 != ours) run++;
  for (int i = 0; i < lite->inputs->size; i++) {
    const int tensor = lite->inputs->data[i];
    if (tensor >= 0 && c->tensors[tensor].run != run) c->tensors[tensor].passed_on = true;
  }
  for (int i = 0; i < lite->outputs->size; i++) {
    if (lite->outputs->data[i] >= 0) c->tensors[lite->outputs->data[i]].run = run;
  }
}

/* The interpreter runs ours and its own ops in turn, each time all that are ready; even runs are its own. What is left out for
 * signs of a later run would have to be made after all, by a slower kernel, and is given back. False: some was. */
static bool look_at_runs(claims *c, const LiteIntArray *plan) {
  const int first = c->count > 0 && c->nodes[0].state == CLAIMED ? 1 : 0;
  for (size_t t = 0; t < c->context->tensors_size; t++) {
    c->tensors[t].run = first;
    c->tensors[t].passed_on = false;
  }
  for (int i = 0; i < c->count; i++) {
    const LiteNode *lite = node_at(c, plan->data[i]);
    if (lite != NULL) find_run(c, lite, c->nodes[i].state == CLAIMED, first);
  }
  bool all_stay = true;
  for (int i = 0; i < c->count; i++) {
    claim_node *node = &c->nodes[i];
    if (!node->left_out || node->state != CLAIMED || !output_of(c, node)->passed_on) continue;
    node->state = NOT_OURS;
    all_stay = false;
  }
  return all_stay;
}

static bool claim_all(claims *c, const LiteIntArray *plan, LiteIntArray *nodes) {
  for (int i = 0; i < c->count; i++) {
    if (!read_node(c, plan->data[i], &c->nodes[i])) return false;
  }
  look_at_pads(c);
  look_at_int8(c);
  look_around(c);
  look_forward(c, plan);
  look_backward(c);
  for (int tries = 0; tries < MOST_TRIES && !look_at_runs(c, plan); tries++) continue;
  for (int i = 0; i < c->count; i++) {
    if (c->nodes[i].state == CLAIMED) nodes->data[nodes->size++] = plan->data[i];
  }
  return true;
}

/* Makes room for the ops of all nodes. Without memory none are kept. */
static void make_room(eb_delegate *delegate, const LiteIntArray *plan) {
  int count = 0;
  for (int i = 0; i < plan->size; i++) count = plan->data[i] >= count ? plan->data[i] + 1 : count;
  delegate->claimed = calloc((size_t)count + 1, sizeof *delegate->claimed);
  delegate->claimed_count = delegate->claimed == NULL ? 0 : count;
}

/* Whether there was room. */
static bool keep(eb_delegate *delegate, int index, const eb_op *op) {
  if (index >= delegate->claimed_count) return false;
  delegate->claimed[index] = *op;
  return true;
}

bool eb_take_claimed(eb_delegate *delegate, int index, eb_op *op) {
  if (index >= delegate->claimed_count || delegate->claimed[index].kind == NULL) return false;
  *op = delegate->claimed[index];
  delegate->claimed[index] = (eb_op){0};
  return true;
}

void eb_forget_claimed(eb_delegate *delegate) {
  for (int i = 0; i < delegate->claimed_count; i++) eb_steps_release(&delegate->claimed[i]);
  free(delegate->claimed);
  delegate->claimed = NULL;
  delegate->claimed_count = 0;
}

bool eb_claim(eb_delegate *delegate, LiteContext *context, const LiteIntArray *plan, LiteIntArray *nodes) {
  claims c = {.delegate = delegate,
              .context = context,
              .nodes = calloc((size_t)plan->size + 1, sizeof *c.nodes),
              .tensors = calloc(context->tensors_size + 1, sizeof *c.tensors),
              .count = plan->size};
  const bool is_memory = c.nodes != NULL && c.tensors != NULL;
  make_room(delegate, plan);
  const bool claimed = is_memory ? claim_all(&c, plan, nodes) : eb_refuse(delegate, "no memory");
  for (int i = 0; is_memory && i < c.count; i++) {
    if (!claimed || c.nodes[i].state != CLAIMED || !keep(delegate, plan->data[i], &c.nodes[i].op))
      eb_steps_release(&c.nodes[i].op);
  }
  free(c.nodes);
  free(c.tensors);
  return claimed;
}
