/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the check share: fsck.c (the run, and the blob files), fsck_table.c (what it
 * remembers of repositories and objects), fsck_rows.c (one check for each family), fsck_account.c
 * (those of accounts and their secrets), fsck_key.c (keys and what they signed) and fsck_manifest.c
 * (what the manifests say). Nobody else includes it.
 *
 * Functions that return an int give the engine's errors; what they find wrong in the store is
 * reported and is not an error of the check. One thread.
 */
#ifndef REGISTRY_FSCK_INTERNAL_H
#define REGISTRY_FSCK_INTERNAL_H

#include "registry/fsck.h"
#include "storage/event.h"
#include "storage/rows.h"

struct fsck_repository {
    uint64_t id;
    char *name;
};

struct fsck_object {
    uint64_t id;
    uint64_t links;      /* as its row says */
    uint64_t links_seen; /* link rows that are not trashed */
    uint8_t kind, state, store;
};

/* A file that was not there, or not as its row says, when the snapshot was checked. */
struct fsck_suspect {
    struct digest digest;
    uint8_t kind;
};

struct fsck {
    struct store *store;
    void (*report)(enum fsck_level level, const char *text, void *arg);
    void *arg;
    struct fsck_summary *summary;
    struct fault *fault;

    struct kv_tx *tx;                     /* the snapshot, while it is checked */
    uint64_t event_before;                /* the last durable one before the snapshot */
    uint64_t event_last;                  /* in the log of the snapshot */
    struct fsck_repository *repositories; /* by id, once all are there */
    size_t repositories_n, repositories_max;
    struct fsck_object *objects; /* by id */
    size_t objects_n, objects_max;
    struct fsck_suspect *suspects;
    size_t suspects_n, suspects_max;
};

/* fsck.c */
/* ERR_SHUTDOWN when the server waits for the check to end. */
int fsck_may_go_on(const struct fsck *f) MUST_CHECK;
void fsck_error(struct fsck *f, const char *format, ...) PRINTF_LIKE(2, 3);
void fsck_note(struct fsck *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* The file of an object of the snapshot. */
int fsck_check_file(struct fsck *f, const struct row_obj *row) MUST_CHECK;

/* fsck_table.c */
int fsck_add_repository(struct fsck *f, uint64_t id, struct slice name) MUST_CHECK;
/* Sorts; reports numbers that two names have. */
void fsck_finish_repositories(struct fsck *f);
/* In ascending order of ids. */
int fsck_add_object(struct fsck *f, uint64_t id, const struct row_obj *row) MUST_CHECK;
int fsck_add_suspect(struct fsck *f, const struct row_obj *row) MUST_CHECK;
struct fsck_object *fsck_find_object(struct fsck *f, uint64_t id);
const struct fsck_repository *fsck_find_repository(const struct fsck *f, uint64_t id);
void fsck_forget(struct fsck *f);

#define FSCK_NAME_MAX 320

/* "manifest sha256:..." or "object 12", and "repository a/b" or "repository 12"; fill and return
 * `out`. */
const char *fsck_object_name(struct fsck *f, uint64_t id, char out[FSCK_NAME_MAX]);
const char *fsck_repository_name(const struct fsck *f, uint64_t id, char out[FSCK_NAME_MAX]);

/* Point reads: a missing row is no error here. */
int fsck_has(struct fsck *f, struct key key, bool *has) MUST_CHECK;
int fsck_get_object(struct fsck *f, uint64_t id, struct row_obj *row, bool *has) MUST_CHECK;
/* *has: the row is there and decodes. */
int fsck_get_link(struct fsck *f, uint64_t repo, uint64_t obj, struct row_link *row,
                  bool *has) MUST_CHECK;

/* fsck_rows.c */
int fsck_check_rows(struct fsck *f) MUST_CHECK;

/* fsck_account.c: one row of its family */
int fsck_check_group(struct fsck *f, const struct key_fields *key, struct slice value) MUST_CHECK;
int fsck_check_account(struct fsck *f, const struct key_fields *key, struct slice value) MUST_CHECK;
int fsck_check_token(struct fsck *f, const struct key_fields *key, struct slice value) MUST_CHECK;
int fsck_check_tokenof(struct fsck *f, const struct key_fields *key, struct slice value) MUST_CHECK;

/* fsck_policy.c */
int fsck_check_policy(struct fsck *f, const struct key_fields *key, struct slice value) MUST_CHECK;

/* fsck_manifest.c */
/* What a linked manifest says against the use and referrer rows of its repository. */
int fsck_check_manifest(struct fsck *f, uint64_t repo, uint64_t obj) MUST_CHECK;

/* fsck_key.c */
/* A log.signed event of the snapshot. */
void fsck_check_signature(struct fsck *f, uint64_t number, const struct event *event);
int fsck_check_keys(struct fsck *f) MUST_CHECK;

#endif
