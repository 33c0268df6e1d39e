/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "auth/identity.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The identity, then its arrays, then the bytes of its texts. */
struct block {
    struct identity identity;
    atomic_uint references;
};

const struct identity identity_anonymous = {
    .kind = IDENTITY_ANONYMOUS,
    .name = {"anonymous", 9},
    .limit = VERB_BITS_ALL,
};

static struct block *block_of(struct identity *identity)
{
    return (struct block *)identity; /* its first member */
}

static size_t texts_size(const struct slice *texts, unsigned n)
{
    size_t size = n * sizeof(*texts);

    for (unsigned i = 0; i < n; i++)
        size += texts[i].n;
    return size;
}

static struct slice copy_text(char **at, struct slice text)
{
    struct slice copy = {*at, text.n};

    if (text.n > 0)
        memcpy(*at, text.p, text.n);
    *at += text.n;
    return copy;
}

static const struct slice *copy_texts(struct slice **array, char **at, const struct slice *texts,
                                      unsigned n)
{
    struct slice *copy = *array;

    for (unsigned i = 0; i < n; i++)
        copy[i] = copy_text(at, texts[i]);
    *array += n;
    return n > 0 ? copy : NULL;
}

struct identity *identity_create(const struct identity *from)
{
    size_t size = sizeof(struct block) + texts_size(from->groups, from->groups_n) +
                  texts_size(from->globs, from->globs_n) + from->name.n + from->issuer.n;
    struct block *block = xcalloc(1, size);
    struct slice *array = (struct slice *)(block + 1);
    char *at = (char *)(array + from->groups_n + from->globs_n);

    block->identity = *from;
    block->identity.name = copy_text(&at, from->name);
    block->identity.issuer = copy_text(&at, from->issuer);
    block->identity.groups = copy_texts(&array, &at, from->groups, from->groups_n);
    block->identity.globs = copy_texts(&array, &at, from->globs, from->globs_n);
    atomic_init(&block->references, 1);
    return &block->identity;
}

struct identity *identity_ref(struct identity *identity)
{
    atomic_fetch_add_explicit(&block_of(identity)->references, 1, memory_order_relaxed);
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity != NULL &&
        atomic_fetch_sub_explicit(&block_of(identity)->references, 1, memory_order_acq_rel) == 1)
        free(block_of(identity));
}

const char *identity_kind_name(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_USER:
        return "user";
    case IDENTITY_ROBOT:
        return "robot";
    case IDENTITY_WORKLOAD:
        return "workload";
    case IDENTITY_BOOTSTRAP:
        return "bootstrap";
    case IDENTITY_ANONYMOUS:
        break;
    }
    return "anonymous";
}

bool identity_in_group(const struct identity *identity, struct slice group)
{
    for (unsigned i = 0; i < identity->groups_n; i++) {
        if (slice_eq(identity->groups[i], group))
            return true;
    }
    return false;
}

bool identity_is_expired(const struct identity *identity, int64_t now_ms)
{
    return identity->expires_ms != 0 && now_ms >= identity->expires_ms;
}
