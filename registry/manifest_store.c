/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a PUT of a manifest the repository has live only binds tags: what it names cannot have
 * been deleted meanwhile, so nothing is checked and nothing else is written. Otherwise every
 * descriptor is looked up in this repository, then the object is published and linked, and a use
 * row is written for each descriptor, which is what keeps a blob or child from being deleted.
 *
 * What may be missing (foreign layers; anything, with sparse manifests allowed) is interned as
 * ABSENT and gets its use row too, so that it is held from the moment somebody pushes it. Those
 * are the only digests a PUT adds besides its own and its subject's: random-keyed rows are what
 * costs (docs/ARCHITECTURE.md, "Rows").
 *
 * An entry of an index whose media type is no manifest's may be either, because build caches list
 * layers there: the repository is asked for the blob first, then for the manifest.
 *
 * Where the bytes of a manifest were stored before under another media type (a document without
 * mediaType, pushed as OCI and as Docker), the first one stays: the object is everybody's.
 */
#include "config.h"
#include "registry/manifest_store.h"

#include "registry/referrer.h"
#include "registry/repository.h"
#include "registry/tag.h"
#include "storage/event.h"

#include <stdlib.h>

#define DELETE_TAGS_MAX 1000 /* in one function */

/* Rows a function may write beyond its budget: for each descriptor a use row and, when it is
 * absent, its digest and obj rows; for each tag the tag, two tagof rows and the event. */
#define ROWS_PER_DESCRIPTOR 3
#define ROWS_PER_TAG        4
#define ROWS_PER_REMOVAL    3

/* Absent digests one PUT may add: with every other row they stay below KV_WRITTEN_MAX. */
#define INTERN_MAX 2048

static int find(struct kv_tx *tx, uint64_t repo, const struct digest *digest, struct object *object)
{
    int err = link_find(tx, repo, digest, OBJECT_MANIFEST, object);

    return err == ERR_NOT_FOUND ? ERR_MANIFEST_UNKNOWN : err;
}

/*
 * GET.
 */

static int find_by_tag(struct kv_tx *tx, uint64_t repo, struct slice tag, struct object *object)
{
    struct row_tag row;

    int err = tag_find(tx, repo, tag, &row);
    if (err != 0)
        return err == ERR_TAG_UNKNOWN ? ERR_MANIFEST_UNKNOWN : err;
    /* A tag names only what is linked here: its manifest is not trashed before the tag is gone. */
    err = object_get(tx, row.obj, object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    return object->row.state == OBJECT_LIVE ? 0 : ERR_MANIFEST_UNKNOWN;
}

int manifest_get(struct kv_tx *tx, void *manifest_get)
{
    struct manifest_get *get = manifest_get;
    struct object object;
    uint64_t repo;

    get->body = (struct slice){NULL, 0};
    int err = repository_find(tx, get->repository, &repo);
    if (err != 0)
        return err;
    err = get->reference.is_digest ? find(tx, repo, &get->reference.digest, &object)
                                   : find_by_tag(tx, repo, get->reference.tag, &object);
    if (err != 0)
        return err;
    get->digest = object.row.digest;
    get->media_type = object.row.media_type;
    get->size = object.row.size;
    return object.row.store == OBJECT_IN_INDEX ? object_body(tx, object.id, &get->body) : 0;
}

/*
 * PUT.
 */

/* A descriptor's object and what the manifest uses it as. */
struct used {
    uint64_t obj;
    enum use_why why;
};

struct put_state {
    struct manifest_put *put;
    uint64_t repo;
    struct object object; /* the manifest */
    struct used *used;    /* of each descriptor */
    unsigned interned;
};

static int check_condition(struct kv_tx *tx, const struct put_state *s)
{
    struct manifest_put *put = s->put;
    struct object object;
    struct row_tag row;

    if ((!put->condition.must_match && !put->condition.must_not_exist) || put->tags_n == 0)
        return 0;
    int err = tag_find(tx, s->repo, put->tags[0], &row);
    if (err == ERR_TAG_UNKNOWN)
        return put->condition.must_match ? ERR_HTTP_PRECONDITION : 0;
    if (err == 0)
        err = object_get(tx, row.obj, &object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    put->current = object.row.digest;
    if (put->condition.must_not_exist)
        return ERR_HTTP_PRECONDITION;
    return digest_eq(&put->current, &put->condition.digest) ? 0 : ERR_HTTP_PRECONDITION;
}

static bool is_index_entry(const struct descriptor *d)
{
    return strcmp(d->field, "manifests") == 0;
}

/* What the descriptor names in this repository; ERR_NOT_FOUND. */
static int find_used(struct kv_tx *tx, uint64_t repo, const struct descriptor *d,
                     struct object *object)
{
    int err = ERR_NOT_FOUND;

    if (!d->is_manifest)
        err = link_find(tx, repo, &d->digest, OBJECT_BLOB, object);
    if (err == ERR_NOT_FOUND && is_index_entry(d))
        err = link_find(tx, repo, &d->digest, OBJECT_MANIFEST, object);
    return err;
}

static int check_descriptor(struct kv_tx *tx, struct put_state *s, unsigned i)
{
    struct manifest_put *put = s->put;
    const struct descriptor *d = &put->manifest->descriptors[i];
    struct object object;

    int err = find_used(tx, s->repo, d, &object);
    if (err == 0 && object.row.size != d->size) {
        put->size_conflict_digest = d->digest;
        put->size_conflict_stored = object.row.size;
        return ERR_MANIFEST_INVALID;
    }
    if (err == ERR_NOT_FOUND) {
        bool allowed = (d->may_be_missing || put->allow_sparse) && s->interned < INTERN_MAX;

        if (!allowed) {
            if (put->missing_n < MANIFEST_MISSING_MAX)
                put->missing[put->missing_n] = i;
            put->missing_n++;
            return 0;
        }
        s->interned++;
        err =
            object_intern(tx, &d->digest, d->is_manifest ? OBJECT_MANIFEST : OBJECT_BLOB, &object);
    }
    if (err != 0)
        return err;
    s->used[i].obj = object.id;
    s->used[i].why = object.row.kind == OBJECT_MANIFEST ? USE_CHILD : USE_BLOB;
    return 0;
}

static int check_descriptors(struct kv_tx *tx, struct put_state *s)
{
    int err = 0;

    for (unsigned i = 0; i < s->put->manifest->descriptors_n && err == 0; i++)
        err = check_descriptor(tx, s, i);
    if (err == 0 && s->put->missing_n > 0)
        return ERR_MANIFEST_BLOB_UNKNOWN;
    return err;
}

static int put_use(struct kv_tx *tx, const struct put_state *s, uint64_t child, enum use_why why)
{
    struct key key = key_use(child, s->repo, s->object.id, why);

    return kv_put(tx, key_slice(&key), SLICE(""));
}

static int put_subject(struct kv_tx *tx, const struct put_state *s)
{
    const struct manifest *m = s->put->manifest;
    struct object subject;

    if (!m->has_subject)
        return 0;
    int err = object_intern(tx, &m->subject.digest, OBJECT_MANIFEST, &subject);
    if (err == 0)
        err = put_use(tx, s, subject.id, USE_SUBJECT);
    return err != 0 ? err : referrer_put(tx, s->repo, subject.id, &s->object, m);
}

/* The object and everything that hangs on it. `live`: it was linked before, and only heals. */
static int publish(struct kv_tx *tx, struct put_state *s, bool live)
{
    struct manifest_put *put = s->put;
    const struct event event = {
        .type = EVENT_MANIFEST_PUSHED,
        .actor = put->actor,
        .repository = put->repository,
        .digest = put->digest,
        .media_type = put->manifest->media_type,
        .size = put->size,
    };
    bool created, added;

    int err = object_publish(tx, &put->digest, OBJECT_MANIFEST, put->size,
                             put->manifest->media_type, put->body, &s->object, &created);
    if (err == 0)
        err = event_stage(tx, &event);
    if (err == 0 && !live)
        err = link_put(tx, s->repo, &s->object, &added);
    for (unsigned i = 0; i < put->manifest->descriptors_n && err == 0; i++)
        err = put_use(tx, s, s->used[i].obj, s->used[i].why);
    return err != 0 ? err : put_subject(tx, s);
}

static int push(struct kv_tx *tx, struct put_state *s, bool live)
{
    size_t n = s->put->manifest->descriptors_n;

    s->used = calloc(n > 0 ? n : 1, sizeof(*s->used));
    if (s->used == NULL)
        return ERR_NO_MEMORY;
    int err = check_descriptors(tx, s);
    if (err == 0)
        err = publish(tx, s, live);
    free(s->used);
    s->used = NULL;
    return err;
}

/* Whether the repository has the manifest, and whether its bytes are good. */
static int look_up(struct kv_tx *tx, struct put_state *s, bool *live, bool *good)
{
    *live = *good = false;
    int err = object_find(tx, &s->put->digest, OBJECT_MANIFEST, &s->object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    *good = s->object.row.state == OBJECT_LIVE;
    return link_is_live(tx, s->repo, s->object.id, live);
}

static bool is_repeated(const struct manifest_put *put, unsigned i)
{
    for (unsigned j = 0; j < i; j++)
        if (slice_eq(put->tags[j], put->tags[i]))
            return true;
    return false;
}

static int bind_tags(struct kv_tx *tx, const struct put_state *s)
{
    const struct manifest_put *put = s->put;
    int err = 0;

    for (unsigned i = 0; i < put->tags_n && err == 0; i++) {
        const struct tag_binding binding = {
            .repo = s->repo,
            .repository = put->repository,
            .actor = put->actor,
            .tag = put->tags[i],
            .object = &s->object,
            .verbs = put->verbs,
        };

        /* A row that cites its event cannot be read again in the same function. */
        if (!is_repeated(put, i))
            err = tag_bind(tx, &binding);
    }
    return err;
}

int manifest_put(struct kv_tx *tx, void *manifest_put)
{
    struct put_state s = {.put = manifest_put};
    struct manifest_put *put = s.put;
    bool live, good;

    put->missing_n = 0;
    put->current = put->size_conflict_digest = (struct digest){0};
    put->size_conflict_stored = 0;
    kv_budget_add(tx,
                  put->manifest->descriptors_n * ROWS_PER_DESCRIPTOR + put->tags_n * ROWS_PER_TAG);
    int err = repository_ensure(tx, put->repository, put->actor, &s.repo);
    if (err == 0)
        err = check_condition(tx, &s);
    if (err == 0)
        err = look_up(tx, &s, &live, &good);
    if (err == 0 && !(live && good))
        err = push(tx, &s, live);
    if (err == 0)
        err = bind_tags(tx, &s);
    return err == 0 && put->also != NULL ? put->also(tx, put->also_arg) : err;
}

/*
 * DELETE.
 */

struct tag_names {
    unsigned n;
    bool more;
    size_t length[DELETE_TAGS_MAX];
    char text[DELETE_TAGS_MAX][TAG_MAX];
};

static int collect_tags(struct kv_tx *tx, uint64_t repo, uint64_t obj, struct tag_names *names)
{
    struct key prefix = key_prefix_u64_u64(KV_TAGOF, repo, obj);
    struct key_fields fields;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), DELETE_TAGS_MAX + 1, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (names->n == DELETE_TAGS_MAX) {
            names->more = true;
            break;
        }
        err = key_decode(key, &fields);
        if (err == 0 && fields.text.n > TAG_MAX)
            err = ERR_CORRUPT;
        if (err != 0)
            break;
        memcpy(names->text[names->n], fields.text.p, fields.text.n);
        names->length[names->n++] = fields.text.n;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int remove_tags(struct kv_tx *tx, const struct manifest_delete *del, uint64_t repo,
                       const struct object *object, bool *more)
{
    struct tag_names names;

    names.n = 0;
    names.more = false;
    int err = collect_tags(tx, repo, object->id, &names);
    kv_budget_add(tx, names.n * ROWS_PER_REMOVAL);
    for (unsigned i = 0; i < names.n && err == 0; i++)
        err = tag_remove(tx, repo, del->repository, del->actor,
                         slice_make(names.text[i], names.length[i]), object);
    *more = names.more;
    return err;
}

int manifest_delete(struct kv_tx *tx, void *manifest_delete)
{
    struct manifest_delete *del = manifest_delete;
    struct event event = {
        .type = EVENT_MANIFEST_DELETED,
        .actor = del->actor,
        .repository = del->repository,
        .digest = del->digest,
    };
    struct object object;
    uint64_t repo;

    del->again = false;
    del->holders = (struct holders){0};
    int err = repository_find(tx, del->repository, &repo);
    if (err == 0)
        err = link_find_stored(tx, repo, &del->digest, OBJECT_MANIFEST, &object);
    if (err == ERR_NOT_FOUND)
        return ERR_MANIFEST_UNKNOWN;
    if (err == 0)
        err = link_holders(tx, repo, object.id, &del->holders);
    if (err != 0)
        return err;
    if (del->holders.n > 0 || del->holders.more)
        return ERR_MANIFEST_IN_USE;
    err = remove_tags(tx, del, repo, &object, &del->again);
    if (err != 0 || del->again)
        return err;
    event.size = object.row.size;
    err = event_stage(tx, &event);
    return err != 0 ? err : link_trash(tx, repo, &object, del->grace_ms);
}
