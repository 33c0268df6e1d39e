/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking: what a credential that was found good stands for. Immutable and counted, so that
 * caches and requests of several threads share one. Any thread.
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/verb.h"
#include "base/slice.h"

enum identity_kind {
    IDENTITY_ANONYMOUS,
    IDENTITY_USER,
    IDENTITY_ROBOT,
    IDENTITY_WORKLOAD,  /* a job of a configured issuer */
    IDENTITY_BOOTSTRAP, /* the one token of the first start */
};

struct identity {
    enum identity_kind kind;
    struct slice name;          /* the actor of events: "alice", "robot:ci-app", "anonymous" */
    const struct slice *groups; /* borrowed like all slices, from the block it was copied into */
    unsigned groups_n;
    struct slice issuer;       /* of a workload: its name in the policy */
    verb_bits limit;           /* what the credential can be used for at most */
    const struct slice *globs; /* and in which repositories; none: all */
    unsigned globs_n;
    bool may_approve;        /* the credential has the scope `approve` */
    int64_t expires_ms;      /* of the credential; 0: never. Wall time, ms since 1970 */
    int64_t warn_expires_ms; /* it ends so soon that its user must be told: when; 0: no */
};

/* A deep copy in one block, with one reference. Aborts when out of memory: all lengths are bounded
 * by who checked the credential. */
struct identity *identity_create(const struct identity *from);
struct identity *identity_ref(struct identity *identity);
/* NULL does nothing. */
void identity_unref(struct identity *identity);

/* "user", "robot" ...: for whoami and events. */
const char *identity_kind_name(enum identity_kind kind);

/* Nobody in particular; lives as long as the process and needs no reference. */
extern const struct identity identity_anonymous;

bool identity_in_group(const struct identity *identity, struct slice group);
bool identity_is_expired(const struct identity *identity, int64_t now_ms);

#endif
