/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/fault_point.h"

#ifdef FAULT_INJECTION

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local volatile bool fault_is_fixed;

/* What stands behind `name` in the file: "5", "kill". */
static bool find_action(const char *path, const char *name, char action[16])
{
    FILE *file = fopen(path, "re");
    char line[128], found[64];
    bool is_armed = false;

    if (file == NULL)
        return false;
    while (!is_armed && fgets(line, sizeof(line), file) != NULL)
        is_armed = sscanf(line, "%63s %15s", found, action) == 2 && strcmp(found, name) == 0;
    fclose(file);
    return is_armed;
}

int fault_point(const char *name)
{
    const char *path = getenv("FAULT_POINTS");
    char action[16];
    uint64_t sys;

    if (fault_calls_point != NULL) {
        int counted = fault_calls_point(name);

        if (counted != 0)
            return counted;
    }
    if (path == NULL || !find_action(path, name, action))
        return 0;
    if (strcmp(action, "kill") == 0)
        raise(SIGKILL);
    /* A line that says nothing sensible must not look like a fault that was survived. */
    if (!slice_parse_u64(slice_from_cstr(action), &sys) || sys == 0 || sys > 4095)
        abort();
    log_warn("fault.injected", "a test makes this call fail", LOG_CSTR("point", name),
             LOG_U64("errno", sys));
    return (int)sys;
}

#endif
