/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "auth/log_head.h"
#include "auth/server_key.h"

void fsck_check_signature(struct fsck *f, uint64_t number, const struct event *event)
{
    struct event numbered = *event;
    struct fault why = FAULT_INIT;

    numbered.number = number;
    if (log_head_check(f->tx, &numbered, &why) != 0)
        fsck_error(f, "%s", why.text[0] != '\0' ? why.text : "a signature cannot be checked");
}

static void key_is_bad(const char *what, void *arg)
{
    fsck_error(arg, "%s", what);
}

int fsck_check_keys(struct fsck *f)
{
    return server_keys_check(&f->store->dir, key_is_bad, f, f->fault);
}
