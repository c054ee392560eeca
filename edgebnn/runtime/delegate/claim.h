/* Which nodes of the graph the delegate runs. */
#ifndef EDGEBNN_DELEGATE_CLAIM_H
#define EDGEBNN_DELEGATE_CLAIM_H

#include "delegate.h"

/* Appends the custom ops of ours to `nodes`, and those of the interpreter's that are taken over. Each is read once here, so
 * that a bad custom op is refused before the graph is changed, and kept, since what its constants become takes time to find.
 * False: by eb_refuse. */
bool eb_claim(eb_delegate *delegate, LiteContext *context, const LiteIntArray *plan, LiteIntArray *nodes);

/* Gives the op of a node as it was read then, once. False: it is not kept. */
bool eb_take_claimed(eb_delegate *delegate, int index, eb_op *op);

/* Drops those that are left. */
void eb_forget_claimed(eb_delegate *delegate);

#endif
