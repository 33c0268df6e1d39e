/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "auth/policy.h"

typedef unsigned long long ull; /* for printf */

/* Row 0 of the policies: the version in force must be there. */
static int check_policy_in_force(struct fsck *f, struct slice value)
{
    uint64_t version;
    bool has;

    if (row_id_decode(value, &version) != 0 || version == 0) {
        fsck_error(f, "the row of the policy in force does not decode");
        return 0;
    }
    int err = fsck_has(f, key_policy(version), &has);
    if (err == 0 && !has)
        fsck_error(f, "version %llu of the policy is in force, but missing", (ull)version);
    return err;
}

/* A server would not start with a policy in force that cannot be read; an older one may be of a
 * program that took more. */
static void check_document(struct fsck *f, uint64_t version, struct slice document)
{
    struct fault why = FAULT_INIT;
    struct policy *policy;

    if (policy_parse(document, &policy, &why) != 0)
        fsck_error(f, "version %llu of the policy is in force, but cannot be read: %s",
                   (ull)version, why.text);
    policy_unref(policy);
}

int fsck_check_policy(struct fsck *f, const struct key_fields *key, struct slice value)
{
    struct key in_force_key = key_policy(0);
    const uint64_t version = key->id[0];
    uint64_t in_force = 0;
    struct row_policy row;

    if (version == 0)
        return check_policy_in_force(f, value);
    if (row_policy_decode(value, &row) != 0) {
        fsck_error(f, "version %llu of the policy does not decode", (ull)version);
        return 0;
    }
    if (row.seq == 0 || row.seq > f->event_last)
        fsck_error(f, "version %llu of the policy cites event %llu, which the log does not have",
                   (ull)version, (ull)row.seq);
    int err = kv_get(f->tx, key_slice(&in_force_key), &value);
    if (err == ERR_NOT_FOUND || (err == 0 && row_id_decode(value, &in_force) != 0))
        in_force = 0;
    else if (err != 0)
        return err;
    if (version > in_force)
        fsck_error(f, "there is a version %llu of the policy, but %llu is in force", (ull)version,
                   (ull)in_force);
    if (version == in_force)
        check_document(f, version, row.document);
    return 0;
}
