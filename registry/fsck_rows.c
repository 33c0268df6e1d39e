/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one pass over each family, in an order in which what a row names was seen before: events,
 * names, objects, then what hangs on those. Both ends of every pair of rows are looked at from
 * both sides, so that a row that is missing is noticed as surely as one too many.
 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "registry/reference.h"
#include "storage/event.h"
#include "storage/hold.h"

#include <limits.h>
#include <stdio.h>

typedef int (*check_fn)(struct fsck *f, const struct key_fields *key, struct slice value);

typedef unsigned long long ull; /* for printf */

/* True when the repository is known; else reported. */
static bool knows_repository(struct fsck *f, uint64_t repo, const char *family)
{
    if (fsck_find_repository(f, repo) != NULL)
        return true;
    fsck_error(f, "a %s row names repository %llu, which has no name", family, (ull)repo);
    return false;
}

/* NULL when the object is not known, which is reported. */
static struct fsck_object *known_object(struct fsck *f, uint64_t obj, const char *family)
{
    struct fsck_object *object = fsck_find_object(f, obj);

    if (object == NULL)
        fsck_error(f, "a %s row names object %llu, which does not exist", family, (ull)obj);
    return object;
}

static bool knows_manifest(struct fsck *f, uint64_t obj, const char *family)
{
    const struct fsck_object *object = known_object(f, obj, family);
    char name[FSCK_NAME_MAX];

    if (object != NULL && object->kind != OBJECT_MANIFEST)
        fsck_error(f, "a %s row names %s, which is no manifest", family,
                   fsck_object_name(f, obj, name));
    return object != NULL && object->kind == OBJECT_MANIFEST;
}

static void check_cited(struct fsck *f, uint64_t seq, const char *family, uint64_t repo)
{
    char name[FSCK_NAME_MAX];

    if (seq == 0 || seq > f->event_last)
        fsck_error(f, "a %s row of %s cites event %llu, which the log does not have", family,
                   fsck_repository_name(f, repo, name), (ull)seq);
}

/* The row `key` must be there, because of `why`. */
static int expect_row(struct fsck *f, struct key key, const char *why, uint64_t obj)
{
    char object[FSCK_NAME_MAX];
    bool has;
    int err = fsck_has(f, key, &has);

    if (err == 0 && !has)
        fsck_error(f, "%s: the %s row of %s is missing", why, kv_family_name(key.bytes[0]),
                   fsck_object_name(f, obj, object));
    return err;
}

/*
 * Events.
 */

static void check_event(struct fsck *f, const struct key_fields *key, struct slice value,
                        uint8_t hash[EVENT_HASH_SIZE])
{
    uint8_t computed[EVENT_HASH_SIZE];
    const uint8_t *stored;
    struct slice record;
    struct event event;
    const uint64_t number = key->id[0];

    if (number != f->event_last + 1)
        fsck_error(f, "events %llu to %llu are missing from the log", (ull)f->event_last + 1,
                   (ull)number - 1);
    if (event_row_split(value, &record, &stored) != 0) {
        fsck_error(f, "event %llu does not decode", (ull)number);
    } else {
        event_chain_next(hash, record, computed);
        if (number == f->event_last + 1 && memcmp(computed, stored, EVENT_HASH_SIZE) != 0)
            fsck_error(f, "event %llu does not continue the hash chain: it was changed",
                       (ull)number);
        else if (event_decode(record, &event) != 0)
            fsck_error(f, "event %llu does not decode", (ull)number);
        else if (event.type == EVENT_LOG_SIGNED)
            fsck_check_signature(f, number, &event);
        memcpy(hash, stored, EVENT_HASH_SIZE);
    }
    f->event_last = number;
    f->summary->events++;
}

static int check_events(struct fsck *f)
{
    struct key prefix = key_prefix(KV_EVENT);
    uint8_t hash[EVENT_HASH_SIZE] = {0};
    struct key_fields fields;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(f->tx, key_slice(&prefix), SLICE(""), UINT_MAX, &scan);

    if (err != 0)
        return err;
    while ((err = fsck_may_go_on(f)) == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (key_decode(key, &fields) == 0)
            check_event(f, &fields, value, hash);
        else
            fsck_error(f, "a key of family event does not decode");
    }
    kv_scan_end(&scan);
    if (f->event_last < f->event_before)
        fsck_error(f, "the log ends at event %llu, before the last one written, %llu",
                   (ull)f->event_last, (ull)f->event_before);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/*
 * Names, digests, objects, bodies.
 */

static int check_name(struct fsck *f, const struct key_fields *key, struct slice value)
{
    struct fault why = FAULT_INIT;
    uint64_t id;

    if (repository_name_check(key->text, &why) != 0)
        fsck_error(f, "a name row: %s", why.text);
    if (row_id_decode(value, &id) != 0) {
        fsck_error(f, "the name row of " SLICE_FMT " does not decode", SLICE_ARG(key->text));
        return 0;
    }
    f->summary->repositories++;
    return fsck_add_repository(f, id, key->text);
}

static int check_digest(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char text[DIGEST_TEXT_MAX];
    struct row_obj row;
    uint64_t id;
    bool has;

    digest_format(&key->digest, text);
    if (row_id_decode(value, &id) != 0) {
        fsck_error(f, "the digest row of %s does not decode", text);
        return 0;
    }
    int err = fsck_get_object(f, id, &row, &has);
    if (err != 0)
        return err;
    if (!has)
        fsck_error(f, "the digest row of %s names object %llu, which does not exist", text,
                   (ull)id);
    else if (!digest_eq(&row.digest, &key->digest) || row.kind != (enum object_kind)key->byte)
        fsck_error(f, "the digest row of %s names object %llu, which is of another digest", text,
                   (ull)id);
    return 0;
}

/* The digest row must lead back. */
static int check_digest_of(struct fsck *f, uint64_t id, const struct row_obj *row)
{
    struct key key = key_digest(&row->digest, row->kind);
    char name[FSCK_NAME_MAX];
    struct slice value;
    uint64_t named = 0;
    int err = kv_get(f->tx, key_slice(&key), &value);

    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    if (err == ERR_NOT_FOUND)
        fsck_error(f, "%s: its digest row is missing", fsck_object_name(f, id, name));
    else if (row_id_decode(value, &named) == 0 && named != id)
        fsck_error(f, "%s is object %llu, but its digest row names object %llu",
                   fsck_object_name(f, id, name), (ull)id, (ull)named);
    return 0;
}

static int check_body_of(struct fsck *f, uint64_t id, const struct row_obj *row)
{
    struct key key = key_body(id);
    char name[FSCK_NAME_MAX];
    struct digest digest;
    struct slice body;
    int err = kv_get(f->tx, key_slice(&key), &body);

    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    if (err == ERR_NOT_FOUND) {
        fsck_error(f, "%s: its body row is missing", fsck_object_name(f, id, name));
        return 0;
    }
    digest_compute(row->digest.algorithm, body, &digest);
    if (body.n != row->size)
        fsck_error(f, "%s: its body has %zu bytes, its row says %llu",
                   fsck_object_name(f, id, name), body.n, (ull)row->size);
    else if (!digest_eq(&digest, &row->digest))
        fsck_error(f, "%s: its body has another digest", fsck_object_name(f, id, name));
    return 0;
}

static int check_bytes(struct fsck *f, uint64_t id, const struct row_obj *row)
{
    char name[FSCK_NAME_MAX];

    if (row->store == OBJECT_IN_INDEX)
        return check_body_of(f, id, row);
    if (row->store == OBJECT_IN_FILE)
        return fsck_check_file(f, row);
    fsck_error(f, "%s: its row does not say where its bytes are", fsck_object_name(f, id, name));
    return 0;
}

static int check_obj(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const uint64_t id = key->id[0];
    char name[FSCK_NAME_MAX];
    struct row_obj row;

    if (row_obj_decode(value, &row) != 0) {
        fsck_error(f, "the obj row of object %llu does not decode", (ull)id);
        return 0;
    }
    int err = fsck_add_object(f, id, &row);
    if (err == 0)
        err = check_digest_of(f, id, &row);
    if (err != 0 || row.state == OBJECT_ABSENT)
        return err;
    if (row.kind == OBJECT_MANIFEST)
        f->summary->manifests++;
    else
        f->summary->blobs++;
    if (row.kind == OBJECT_MANIFEST && row.media_type.n == 0)
        fsck_error(f, "%s has no media type", fsck_object_name(f, id, name));
    if (row.state == OBJECT_DAMAGED) {
        fsck_error(f, "%s is damaged; pushing it again heals it", fsck_object_name(f, id, name));
        return 0;
    }
    if (row.state == OBJECT_TRASH)
        err = expect_row(f, key_due(row.due_ms, DUE_OBJECT, id, 0), "in the trash", id);
    return err != 0 ? err : check_bytes(f, id, &row);
}

static int check_body(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const struct fsck_object *object = known_object(f, key->id[0], "body");
    char name[FSCK_NAME_MAX];

    (void)value;
    if (object != NULL && object->store != OBJECT_IN_INDEX)
        fsck_error(f, "%s has a body row, but its bytes are elsewhere",
                   fsck_object_name(f, key->id[0], name));
    return 0;
}

/*
 * Links.
 */

static int check_link(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const uint64_t repo = key->id[0], obj = key->id[1];
    struct fsck_object *object = known_object(f, obj, "link");
    char name[FSCK_NAME_MAX], repository[FSCK_NAME_MAX];
    struct row_link row;

    if (!knows_repository(f, repo, "link") || object == NULL)
        return 0;
    if (row_link_decode(value, &row) != 0) {
        fsck_error(f, "the link row of %s in %s does not decode", fsck_object_name(f, obj, name),
                   fsck_repository_name(f, repo, repository));
        return 0;
    }
    check_cited(f, row.seq, "link", repo);
    if (object->state == OBJECT_ABSENT)
        fsck_error(f, "%s is linked in %s, but was never stored", fsck_object_name(f, obj, name),
                   fsck_repository_name(f, repo, repository));
    if (row.due_ms != 0)
        return expect_row(f, key_due(row.due_ms, DUE_LINK, repo, obj), "a deleted link", obj);
    object->links_seen++;
    if (object->kind == OBJECT_MANIFEST && object->state == OBJECT_LIVE)
        return fsck_check_manifest(f, repo, obj);
    return 0;
}

static void check_link_counts(struct fsck *f)
{
    char name[FSCK_NAME_MAX];

    for (size_t i = 0; i < f->objects_n; i++) {
        const struct fsck_object *object = &f->objects[i];

        if (object->links != object->links_seen)
            fsck_error(f, "%s has %llu links, its row counts %llu",
                       fsck_object_name(f, object->id, name), (ull)object->links_seen,
                       (ull)object->links);
        if (object->state == OBJECT_TRASH && object->links_seen > 0)
            fsck_error(f, "%s is in the trash, but linked", fsck_object_name(f, object->id, name));
        if (object->state == OBJECT_LIVE && object->links_seen == 0)
            fsck_error(f, "%s is live, but no repository links to it: it would stay for ever",
                       fsck_object_name(f, object->id, name));
    }
}

/* A row of a repository and an object it must have linked, trashed or not. */
static int expect_link(struct fsck *f, uint64_t repo, uint64_t obj, const char *family, bool live)
{
    char name[FSCK_NAME_MAX], repository[FSCK_NAME_MAX];
    struct row_link row;
    bool has;
    int err = fsck_get_link(f, repo, obj, &row, &has);

    if (err == 0 && (!has || (live && row.due_ms != 0)))
        fsck_error(f, "a %s row names %s, which %s does not have", family,
                   fsck_object_name(f, obj, name), fsck_repository_name(f, repo, repository));
    return err;
}

/*
 * What hangs on objects.
 */

static int check_use(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const uint64_t child = key->id[0], repo = key->id[1], parent = key->id[2];
    const struct fsck_object *object = known_object(f, child, "use");
    char name[FSCK_NAME_MAX];

    (void)value;
    if (object != NULL && (object->kind == OBJECT_BLOB) != (key->byte == USE_BLOB))
        fsck_error(f, "a use row names %s as what it is not", fsck_object_name(f, child, name));
    if (!knows_repository(f, repo, "use") || !knows_manifest(f, parent, "use"))
        return 0;
    return expect_link(f, repo, parent, "use", false);
}

static int check_tag(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char name[FSCK_NAME_MAX];
    struct fault why = FAULT_INIT;
    struct row_tag row;

    f->summary->tags++;
    if (!knows_repository(f, key->id[0], "tag"))
        return 0;
    if (tag_check(key->text, &why) != 0)
        fsck_error(f, "a tag row of %s: %s", fsck_repository_name(f, key->id[0], name), why.text);
    if (row_tag_decode(value, &row) != 0) {
        fsck_error(f, "the tag row of %s:" SLICE_FMT " does not decode",
                   fsck_repository_name(f, key->id[0], name), SLICE_ARG(key->text));
        return 0;
    }
    check_cited(f, row.seq, "tag", key->id[0]);
    if (!knows_manifest(f, row.obj, "tag"))
        return 0;
    int err = expect_row(f, key_tagof(key->id[0], row.obj, key->text), "tagged", row.obj);
    return err != 0 ? err : expect_link(f, key->id[0], row.obj, "tag", true);
}

static int check_tagof(struct fsck *f, const struct key_fields *key, struct slice value)
{
    struct key tag_key = key_tag(key->id[0], key->text);
    char name[FSCK_NAME_MAX];
    struct row_tag row;
    int err = kv_get(f->tx, key_slice(&tag_key), &value);

    if (err == ERR_NOT_FOUND ||
        (err == 0 && row_tag_decode(value, &row) == 0 && row.obj != key->id[1]))
        fsck_error(f, "a tagof row of %s: the tag " SLICE_FMT " does not name its object",
                   fsck_repository_name(f, key->id[0], name), SLICE_ARG(key->text));
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int check_referrer(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const uint64_t repo = key->id[0], subject = key->id[1], obj = key->id[2];
    char name[FSCK_NAME_MAX];
    struct row_referrer row;

    if (row_referrer_decode(value, &row) != 0)
        fsck_error(f, "the referrer row of %s does not decode", fsck_object_name(f, obj, name));
    if (!knows_repository(f, repo, "referrer") || !knows_manifest(f, subject, "referrer") ||
        !knows_manifest(f, obj, "referrer"))
        return 0;
    int err = expect_row(f, key_use(subject, repo, obj, USE_SUBJECT), "a referrer", subject);
    return err != 0 ? err : expect_link(f, repo, obj, "referrer", false);
}

static int check_hold(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char name[FSCK_NAME_MAX];

    (void)value;
    if (hold_reason_name((enum hold_reason)key->byte) == NULL)
        fsck_error(f, "a hold row of %s has an unknown reason, %u",
                   fsck_object_name(f, key->id[1], name), key->byte);
    if (!knows_repository(f, key->id[0], "hold") || known_object(f, key->id[1], "hold") == NULL)
        return 0;
    return expect_link(f, key->id[0], key->id[1], "hold", true);
}

/*
 * The rest.
 */

static int check_tomb(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char name[FSCK_NAME_MAX];
    struct row_tomb row;

    if (!knows_repository(f, key->id[0], "tomb"))
        return 0;
    if (row_tomb_decode(value, &row) != 0)
        fsck_error(f, "a tomb row of %s does not decode",
                   fsck_repository_name(f, key->id[0], name));
    return 0;
}

static int check_managed(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char name[FSCK_NAME_MAX];
    struct row_managed row;

    if (!knows_repository(f, key->id[0], "managed"))
        return 0;
    if (row_managed_decode(value, &row) != 0)
        fsck_error(f, "a managed row of %s does not decode",
                   fsck_repository_name(f, key->id[0], name));
    return 0;
}

static int check_draft(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char name[FSCK_NAME_MAX];
    struct fault why = FAULT_INIT;
    struct digest path;
    struct row_draft row;

    if (!knows_repository(f, key->id[0], "draft"))
        return 0;
    if (tag_check(key->text, &why) != 0)
        fsck_error(f, "a draft row of %s: %s", fsck_repository_name(f, key->id[0], name), why.text);
    if (row_draft_decode(value, &row) != 0) {
        fsck_error(f, "a draft row of %s does not decode",
                   fsck_repository_name(f, key->id[0], name));
        return 0;
    }
    digest_compute(DIGEST_SHA256, row.path, &path);
    if (!digest_eq(&path, &key->digest))
        fsck_error(f, "a draft row of %s has another path than its key says",
                   fsck_repository_name(f, key->id[0], name));
    return 0;
}

static int check_due(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const int64_t due_ms = (int64_t)key->id[0];
    char name[FSCK_NAME_MAX];
    struct row_link link;
    struct row_obj row;
    uint64_t obj;
    bool has, agrees;
    int err;

    (void)value;
    if (key->byte == DUE_OBJECT) {
        obj = key->id[1];
        err = fsck_get_object(f, obj, &row, &has);
        agrees = err == 0 && has && row.state == OBJECT_TRASH && row.due_ms == due_ms;
    } else {
        obj = key->id[2];
        err = fsck_get_link(f, key->id[1], obj, &link, &has);
        agrees = err == 0 && has && link.due_ms == due_ms;
    }
    if (err == 0 && !agrees)
        fsck_error(f, "a due row names %s, which is not due then", fsck_object_name(f, obj, name));
    return err;
}

static int check_cursor(struct fsck *f, const struct key_fields *key, struct slice value)
{
    uint64_t number;

    if (row_id_decode(value, &number) != 0)
        fsck_error(f, "the cursor row of " SLICE_FMT " does not decode", SLICE_ARG(key->text));
    else if (number > f->event_last)
        fsck_error(f, "the cursor row of " SLICE_FMT " is at event %llu, behind the end of the log",
                   SLICE_ARG(key->text), (ull)number);
    return 0;
}

/* A number that is given twice would tie two things together for good. */
static int check_numbers(struct fsck *f)
{
    const uint64_t repo = f->repositories_n > 0 ? f->repositories[f->repositories_n - 1].id : 0;
    const uint64_t obj = f->objects_n > 0 ? f->objects[f->objects_n - 1].id : 0;
    uint64_t last[KV_SEQ_EVENT + 1];
    int err = kv_last_given(f->tx, last);

    if (err == ERR_CORRUPT) {
        fsck_error(f, "the head row of the index does not decode");
        return 0;
    }
    if (err != 0)
        return err;
    if (repo > last[KV_SEQ_REPO] || obj > last[KV_SEQ_OBJECT])
        fsck_error(f,
                   "there are repository %llu and object %llu, but the head row says that the last "
                   "numbers given are %llu and %llu: the next push would use one twice",
                   (ull)repo, (ull)obj, (ull)last[KV_SEQ_REPO], (ull)last[KV_SEQ_OBJECT]);
    if (f->event_last != last[KV_SEQ_EVENT])
        fsck_error(f, "the log ends at event %llu, but the head row says %llu", (ull)f->event_last,
                   (ull)last[KV_SEQ_EVENT]);
    return 0;
}

static int check_nothing(struct fsck *f, const struct key_fields *key, struct slice value)
{
    (void)f;
    (void)key;
    (void)value;
    return 0;
}

static int check_family(struct fsck *f, enum kv_family family, check_fn check)
{
    struct key prefix = key_prefix(family);
    struct key_fields fields;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(f->tx, key_slice(&prefix), SLICE(""), UINT_MAX, &scan);

    if (err != 0)
        return err;
    while ((err = fsck_may_go_on(f)) == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (key_decode(key, &fields) != 0)
            fsck_error(f, "a key of family %s does not decode", kv_family_name((uint8_t)family));
        else
            err = check(f, &fields, value);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int check_strangers(struct fsck *f)
{
    struct slice key, value;
    struct kv_scan scan;

    for (int byte = 0; byte < 256; byte++) {
        struct key prefix = {.n = 1, .bytes = {(uint8_t)byte}};

        if (kv_family_name((uint8_t)byte) != NULL)
            continue;
        int err = kv_scan_begin(f->tx, key_slice(&prefix), SLICE(""), 1, &scan);
        if (err != 0)
            return err;
        err = kv_scan_next(&scan, &key, &value);
        kv_scan_end(&scan);
        if (err == 0)
            fsck_error(f, "there are rows of a family 0x%02x, which is none", (unsigned)byte);
        else if (err != ERR_NOT_FOUND)
            return err;
    }
    return 0;
}

int fsck_check_rows(struct fsck *f)
{
    static const struct {
        enum kv_family family;
        check_fn check;
    } passes[] = {
        {KV_OBJ, check_obj},
        {KV_DIGEST, check_digest},
        {KV_BODY, check_body},
        {KV_LINK, check_link},
        {KV_USE, check_use},
        {KV_TAG, check_tag},
        {KV_TAGOF, check_tagof},
        {KV_TOMB, check_tomb},
        {KV_REFERRER, check_referrer},
        {KV_HOLD, check_hold},
        {KV_MANAGED, check_managed},
        {KV_DUE, check_due},
        {KV_CURSOR, check_cursor},
        {KV_LABEL, check_nothing},
        {KV_META, check_nothing},
        {KV_DRAFT, check_draft},
        {KV_GROUP, fsck_check_group},
        {KV_ACCOUNT, fsck_check_account},
        {KV_TOKEN, fsck_check_token},
        {KV_TOKENOF, fsck_check_tokenof},
        {KV_POLICY, fsck_check_policy},
    };
    int err = check_events(f);

    if (err == 0)
        err = check_family(f, KV_NAME, check_name);
    fsck_finish_repositories(f);
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]) && err == 0; i++)
        err = check_family(f, passes[i].family, passes[i].check);
    if (err == 0)
        check_link_counts(f);
    if (err == 0)
        err = check_numbers(f);
    return err != 0 ? err : check_strangers(f);
}
