/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories with what is in them: lists, and the usage of one. Functions over a transaction.
 */
#ifndef REGISTRY_REPOSITORY_VIEW_H
#define REGISTRY_REPOSITORY_VIEW_H

#include "base/arena.h"
#include "storage/kv.h"

#define REPOSITORY_VIEW_TAGS_MAX 1000

struct repository_view {
    struct slice name;
    unsigned tags;
    bool tags_more;       /* there are more than REPOSITORY_VIEW_TAGS_MAX */
    int64_t last_push_ms; /* the newest binding of a tag; 0: none, or too many tags to say */
};

struct repository_view_page {
    struct slice after;
    bool (*shows)(struct slice name, void *arg); /* NULL: all are shown */
    void *shows_arg;
    unsigned names_max;  /* with `shows`: names looked at in one run */
    unsigned kept;       /* entries of earlier runs for the same page, which stay */
    unsigned limit;      /* repositories */
    unsigned rows_max;   /* tags looked at; the page ends early, after one repository at least */
    struct arena *arena; /* of the results */
    /* out */
    struct repository_view *repositories;
    unsigned n;
    bool more;
    struct slice seen; /* it ended after names_max names, of which this was the last, and the page
                          has room: run again with it as `after` and n as `kept`. Else p == NULL */
};
int repository_view_list(struct kv_tx *tx, void *repository_view_page) MUST_CHECK;

/* Where a count of usage stands. */
struct usage {
    uint64_t tags, manifests, blobs;
    uint64_t bytes;     /* of both; what other repositories have too is counted in full */
    uint64_t after_obj; /* links counted up to this object */
    char after_tag[256];
    size_t after_tag_n;
    uint64_t rows; /* looked at */
    bool links_done, done;
};

struct usage_step {
    struct slice repository;
    unsigned limit;    /* rows of one step */
    struct usage from; /* all zero to begin with */
    struct usage to;   /* out: the next `from`, unless it is done */
};
/* One bounded step. ERR_NAME_UNKNOWN. */
int usage_step(struct kv_tx *tx, void *usage_step) MUST_CHECK;

#endif
