/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/fatal.h"

#include "base/fault.h"

#include <stdio.h>
#include <stdlib.h>

/* Not through the log, whose thread may be what is missing. */
void fatal(const char *what, int sys)
{
    struct fault fault = FAULT_INIT;

    if (sys != 0)
        (void)fault_set_errno(&fault, sys, "%s", what);
    fprintf(stderr, "tidemark: %s\n", sys != 0 ? fault.text : what);
    abort();
}
