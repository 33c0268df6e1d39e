/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the index is checked in one snapshot, because only that is one state of the store. Blob
 * files live outside of it: with a server running, some come and some are reaped meanwhile. So a
 * file that was not as the snapshot says is only suspected; afterwards a fresh read tells whether
 * its row is still there, and then the file is looked at once more. The other way round each file
 * that was found is looked up in a snapshot younger than the finding: a push writes the file first.
 */
#include "config.h"
#include "registry/fsck_internal.h"

#include <stdarg.h>
#include <stdio.h>

static void report(struct fsck *f, enum fsck_level level, const char *format, va_list arguments)
    PRINTF_LIKE(3, 0);

static void report(struct fsck *f, enum fsck_level level, const char *format, va_list arguments)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, arguments);
    if (level == FSCK_ERROR)
        f->summary->errors++;
    else
        f->summary->notes++;
    f->report(level, text, f->arg);
}

void fsck_error(struct fsck *f, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(f, FSCK_ERROR, format, arguments);
    va_end(arguments);
}

void fsck_note(struct fsck *f, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(f, FSCK_NOTE, format, arguments);
    va_end(arguments);
}

int fsck_may_go_on(const struct fsck *f)
{
    return atomic_load_explicit(&f->store->stopping, memory_order_relaxed) ? ERR_SHUTDOWN : 0;
}

/*
 * From rows to files.
 */

/* *problem is 0, ERR_NOT_FOUND, or ERR_CORRUPT for a size that differs. */
static int look_at_file(struct fsck *f, const struct row_obj *row, uint64_t *size, int *problem)
{
    struct fault why = FAULT_INIT;
    int err = blob_file_stat(f->store->files, &row->digest, size, &why);

    *problem = 0;
    if (err != 0 && err != ERR_NOT_FOUND)
        return fault_set(f->fault, err, "%s", fault_text(&why, err));
    if (err == ERR_NOT_FOUND)
        *problem = ERR_NOT_FOUND;
    else if (*size != row->size)
        *problem = ERR_CORRUPT;
    return 0;
}

int fsck_check_file(struct fsck *f, const struct row_obj *row)
{
    uint64_t size;
    int problem;

    int err = look_at_file(f, row, &size, &problem);
    if (err != 0 || problem == 0)
        return err;
    return fsck_add_suspect(f, row);
}

struct look_up {
    struct digest digest;
    enum object_kind kind;
    struct row_obj row;
    bool found; /* its row wants the file */
};

static int look_up(struct kv_tx *tx, void *arg)
{
    struct look_up *look = arg;
    struct key key = key_digest(&look->digest, look->kind);
    struct slice value;
    uint64_t id;

    look->found = false;
    int err = kv_get(tx, key_slice(&key), &value);
    if (err == 0)
        err = row_id_decode(value, &id);
    if (err == 0) {
        key = key_obj(id);
        err = kv_get(tx, key_slice(&key), &value);
    }
    if (err == 0)
        err = row_obj_decode(value, &look->row);
    look->row.media_type = SLICE("");
    look->found = err == 0 && look->row.state != OBJECT_ABSENT && look->row.store == OBJECT_IN_FILE;
    /* Damage was reported when the rows were checked. */
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT ? 0 : err;
}

static int check_suspect(struct fsck *f, const struct fsck_suspect *suspect)
{
    struct look_up look = {.digest = suspect->digest, .kind = (enum object_kind)suspect->kind};
    char digest[DIGEST_TEXT_MAX];
    uint64_t size;
    int problem;

    int err = kv_read_sync(f->store->kv, look_up, &look);
    if (err != 0 || !look.found || look.row.state == OBJECT_DAMAGED)
        return err;
    err = look_at_file(f, &look.row, &size, &problem);
    if (err != 0)
        return err;
    digest_format(&suspect->digest, digest);
    if (problem == ERR_NOT_FOUND)
        fsck_error(f, "blob file %s is missing; pushing it again heals it", digest);
    else if (problem != 0)
        fsck_error(f, "blob file %s has %llu bytes, its row says %llu; pushing it again heals it",
                   digest, (unsigned long long)size, (unsigned long long)look.row.size);
    return 0;
}

/*
 * From files to rows.
 */

static int check_found_file(const struct digest *digest, const char *name, uint64_t size, void *arg)
{
    struct fsck *f = arg;
    char text[DIGEST_TEXT_MAX];

    int err = fsck_may_go_on(f);
    if (err != 0)
        return err;
    f->summary->files++;
    if (digest == NULL) {
        fsck_note(f, "a file among the blobs is not ours: %.128s", name);
        return 0;
    }
    for (int kind = OBJECT_BLOB; kind <= OBJECT_MANIFEST; kind++) {
        struct look_up look = {.digest = *digest, .kind = (enum object_kind)kind};

        err = kv_read_sync(f->store->kv, look_up, &look);
        if (err != 0 || look.found)
            return err;
    }
    digest_format(digest, text);
    fsck_note(f, "no row names blob file %s of %llu bytes", text, (unsigned long long)size);
    return 0;
}

static int check_snapshot(struct kv_tx *tx, void *arg)
{
    struct fsck *f = arg;

    f->tx = tx;
    int err = fsck_check_rows(f);
    f->tx = NULL;
    return err;
}

static int check_all(struct fsck *f)
{
    f->event_before = kv_event_last(f->store->kv);
    int err = kv_read_sync(f->store->kv, check_snapshot, f);
    for (size_t i = 0; i < f->suspects_n && err == 0; i++)
        err = check_suspect(f, &f->suspects[i]);
    if (err == 0)
        err = fsck_check_keys(f);
    return err != 0 ? err : blob_file_each(f->store->files, check_found_file, f, f->fault);
}

int fsck_run(struct store *store,
             void (*report_fn)(enum fsck_level level, const char *text, void *arg), void *arg,
             struct fsck_summary *summary, struct fault *fault)
{
    struct fsck f = {
        .store = store, .report = report_fn, .arg = arg, .summary = summary, .fault = fault};

    *summary = (struct fsck_summary){0};
    int err = check_all(&f);
    fsck_forget(&f);
    if (err != 0)
        return fault != NULL && fault->code == err
                   ? err
                   : fault_set(fault, err, "the check could not go on: %s", err_text(err));
    if (summary->errors > 0)
        return fault_set(fault, ERR_CORRUPT, "%llu errors were found",
                         (unsigned long long)summary->errors);
    return 0;
}
