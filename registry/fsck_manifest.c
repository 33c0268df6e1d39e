/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a use row that is missing looks like nothing at all, and lets somebody delete a layer
 * under its image. So the manifests themselves are read, and every descriptor must have its row.
 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "base/mem.h"
#include "registry/manifest.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Manifests above this are not read: none was ever taken. */
#define MANIFEST_MAX_BYTES ((uint64_t)64 << 20)

#define ARENA_MAX_BYTES    ((size_t)1 << 30)

/* As lenient as any configuration was. */
static const struct manifest_limits limits = {
    .max_bytes = UINT_MAX,
    .max_descriptors = 1u << 20,
    .max_depth = 4096,
    .max_annotation_bytes = UINT_MAX,
};

struct reading {
    struct fsck *f;
    uint64_t repo, obj;
    const struct manifest *manifest;
};

/* Whether `digest`, as this kind, has a use row of the manifest; *child is its object. */
static int find_use(const struct reading *r, const struct digest *digest, enum object_kind kind,
                    enum use_why why, bool *found, uint64_t *child)
{
    struct key key = key_digest(digest, kind);
    struct slice value;
    int err = kv_get(r->f->tx, key_slice(&key), &value);

    *found = false;
    if (err != 0 || row_id_decode(value, child) != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    return fsck_has(r->f, key_use(*child, r->repo, r->obj, why), found);
}

static void report_missing_use(const struct reading *r, const struct descriptor *d)
{
    char name[FSCK_NAME_MAX], repository[FSCK_NAME_MAX], digest[DIGEST_TEXT_MAX];

    digest_format(&d->digest, digest);
    fsck_error(r->f, "%s in %s names %s in %s, but no use row says so: it could be deleted",
               fsck_object_name(r->f, r->obj, name),
               fsck_repository_name(r->f, r->repo, repository), digest, d->field);
}

/* What it names should be here; a sparse manifest is allowed to lack it. */
static int check_presence(const struct reading *r, const struct descriptor *d, uint64_t child)
{
    char name[FSCK_NAME_MAX], repository[FSCK_NAME_MAX], digest[DIGEST_TEXT_MAX];
    struct row_link link;
    bool has;
    int err = fsck_get_link(r->f, r->repo, child, &link, &has);

    if (err != 0 || (has && link.due_ms == 0) || d->may_be_missing)
        return err;
    digest_format(&d->digest, digest);
    fsck_note(r->f, "%s in %s is sparse: %s in %s is not there",
              fsck_object_name(r->f, r->obj, name), fsck_repository_name(r->f, r->repo, repository),
              digest, d->field);
    return 0;
}

static int check_descriptor(const struct reading *r, const struct descriptor *d)
{
    uint64_t child = 0;
    bool found = false;
    int err = 0;

    if (!d->is_manifest)
        err = find_use(r, &d->digest, OBJECT_BLOB, USE_BLOB, &found, &child);
    if (err == 0 && !found && strcmp(d->field, "manifests") == 0)
        err = find_use(r, &d->digest, OBJECT_MANIFEST, USE_CHILD, &found, &child);
    if (err != 0)
        return err;
    if (found)
        return check_presence(r, d, child);
    report_missing_use(r, d);
    return 0;
}

static int check_subject(const struct reading *r)
{
    const struct descriptor *subject = &r->manifest->subject;
    char name[FSCK_NAME_MAX];
    uint64_t id = 0;
    bool found;
    int err = find_use(r, &subject->digest, OBJECT_MANIFEST, USE_SUBJECT, &found, &id);

    if (err != 0)
        return err;
    if (!found) {
        report_missing_use(r, subject);
        return 0;
    }
    err = fsck_has(r->f, key_referrer(r->repo, id, r->obj), &found);
    if (err == 0 && !found)
        fsck_error(r->f, "%s has a subject, but its referrer row is missing",
                   fsck_object_name(r->f, r->obj, name));
    return err;
}

static int check_body(struct reading *r, struct slice body, struct slice media_type)
{
    struct fault why = FAULT_INIT;
    char name[FSCK_NAME_MAX];
    struct manifest *manifest;
    struct arena arena;

    arena_init(&arena, ARENA_MAX_BYTES);
    int err = manifest_parse(&arena, body, media_type, &limits, &manifest, &why);
    if (err == ERR_MANIFEST_INVALID) {
        fsck_error(r->f, "%s is no manifest: %s", fsck_object_name(r->f, r->obj, name), why.text);
        err = 0;
    } else if (err == 0) {
        r->manifest = manifest;
        for (unsigned i = 0; i < manifest->descriptors_n && err == 0; i++)
            err = check_descriptor(r, &manifest->descriptors[i]);
        if (err == 0 && manifest->has_subject)
            err = check_subject(r);
    }
    arena_fini(&arena);
    return err;
}

/* All bytes of a file; ERR_NOT_FOUND when there are fewer. */
static int read_file(struct fsck *f, const struct row_obj *row, char *out)
{
    struct fault why = FAULT_INIT;
    struct blob_file *file;
    uint64_t n = 0;
    int err = blob_file_open_sync(f->store->files, &row->digest, &file, &why);

    if (err != 0)
        return err == ERR_NOT_FOUND ? err : fault_set(f->fault, err, "%s", why.text);
    while (err == 0 && n < row->size) {
        ssize_t got = pread(file->fd, out + n, row->size - n, (off_t)n);

        if (got > 0)
            n += (uint64_t)got;
        else if (got == 0)
            err = ERR_NOT_FOUND;
        else if (errno != EINTR)
            err = fault_set_errno(f->fault, errno, "cannot read a manifest's file");
    }
    blob_file_unref(file);
    return err;
}

static int check_file(struct reading *r, const struct row_obj *row)
{
    char name[FSCK_NAME_MAX];
    struct digest digest;
    char *bytes;

    if (row->size > MANIFEST_MAX_BYTES)
        return 0;
    bytes = malloc(row->size + 1);
    if (bytes == NULL)
        return fault_set(r->f->fault, ERR_NO_MEMORY, "no memory for a manifest");
    int err = read_file(r->f, row, bytes);
    if (err == 0) {
        digest_compute(row->digest.algorithm, slice_make(bytes, row->size), &digest);
        if (digest_eq(&digest, &row->digest))
            err = check_body(r, slice_make(bytes, row->size), row->media_type);
        else
            fsck_error(r->f, "%s: its file has another digest",
                       fsck_object_name(r->f, r->obj, name));
    }
    free(bytes);
    /* That it is not there was noticed when the object was checked. */
    return err == ERR_NOT_FOUND ? 0 : err;
}

int fsck_check_manifest(struct fsck *f, uint64_t repo, uint64_t obj)
{
    struct reading r = {.f = f, .repo = repo, .obj = obj};
    struct key key = key_body(obj);
    struct row_obj row;
    struct slice body;
    bool has;
    int err = fsck_get_object(f, obj, &row, &has);

    if (err != 0 || !has)
        return err;
    if (row.store != OBJECT_IN_INDEX)
        return check_file(&r, &row);
    err = kv_get(f->tx, key_slice(&key), &body);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    return check_body(&r, body, row.media_type);
}
