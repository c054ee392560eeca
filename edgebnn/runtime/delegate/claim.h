/* Which nodes of the graph the delegate runs. */
#ifndef EDGEBNN_DELEGATE_CLAIM_H
#define EDGEBNN_DELEGATE_CLAIM_H

#include "delegate.h"

/* Appends the custom ops of ours to `nodes`, and those of the interpreter's that are taken over. Each is read once here, so
 * that a bad custom op is refused before the graph is changed. False: by eb_refuse. */
bool eb_claim(eb_delegate *delegate, LiteContext *context, const LiteIntArray *plan, LiteIntArray *nodes);

#endif
