/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte of the input chooses a decoder. What it takes is, encoded again, the same bytes
 * (keys: made by the family's function); what it hands out lies inside of the input.
 */
#include "config.h"
#include "storage/event.h"
#include "storage/rows.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice input, struct slice part)
{
    if (part.n != 0 && (part.p < input.p || part.p + part.n > input.p + input.n))
        abort();
}

static void check_err(int err)
{
    if (err != ERR_CORRUPT)
        abort();
}

/* The key again from its fields; n == 0 for a family without a function (label). */
static struct key make_key(const struct key_fields *f)
{
    switch (f->family) {
    case KV_META:
        return key_meta(f->text);
    case KV_NAME:
        return key_name(f->text);
    case KV_DIGEST:
        return key_digest(&f->digest, (enum object_kind)f->byte);
    case KV_OBJ:
        return key_obj(f->id[0]);
    case KV_BODY:
        return key_body(f->id[0]);
    case KV_LINK:
        return key_link(f->id[0], f->id[1]);
    case KV_USE:
        return key_use(f->id[0], f->id[1], f->id[2], (enum use_why)f->byte);
    case KV_TAG:
        return key_tag(f->id[0], f->text);
    case KV_TAGOF:
        return key_tagof(f->id[0], f->id[1], f->text);
    case KV_TOMB:
        return key_tomb(f->id[0], f->text);
    case KV_REFERRER:
        return key_referrer(f->id[0], f->id[1], f->id[2]);
    case KV_HOLD:
        return key_hold(f->id[0], f->id[1], f->byte, f->text);
    case KV_MANAGED:
        return key_managed(f->id[0], f->text);
    case KV_DUE:
        return key_due((int64_t)f->id[0], (enum due_kind)f->byte, f->id[1], f->id[2]);
    case KV_CURSOR:
        return key_cursor(f->text);
    case KV_DRAFT:
        return key_draft(f->id[0], f->text, f->actor, &f->digest);
    case KV_ACCOUNT:
        return key_account(f->text);
    case KV_GROUP:
        return key_group(f->text);
    case KV_TOKEN:
        return key_token(f->id[0]);
    case KV_TOKENOF:
        return key_tokenof(f->text, f->id[0]);
    case KV_POLICY:
        return key_policy(f->id[0]);
    case KV_EVENT:
        return key_event(f->id[0]);
    case KV_LABEL:
        break;
    }
    return (struct key){0};
}

static void check_key(struct slice input)
{
    struct key_fields fields;
    struct key again;
    int err = key_decode(input, &fields);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, fields.text);
    check_inside(input, fields.actor);
    if (kv_family_name((uint8_t)fields.family) == NULL)
        abort();
    again = make_key(&fields);
    if (again.n != 0 ? !slice_eq(key_slice(&again), input) : fields.family != KV_LABEL)
        abort();
}

static void check_same(struct buf *out, struct slice input)
{
    if (out->overflow || !slice_eq(buf_slice(out), input))
        abort();
    buf_reset(out);
}

static void check_obj(struct slice input, struct buf *out)
{
    struct row_obj row;
    int err = row_obj_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.media_type);
    row_obj_encode(out, &row);
    check_same(out, input);
}

static void check_link(struct slice input, struct buf *out)
{
    struct row_link row;
    int err = row_link_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    row_link_encode(out, &row);
    check_same(out, input);
}

static void check_tag(struct slice input, struct buf *out)
{
    struct row_tag row;
    int err = row_tag_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.actor);
    row_tag_encode(out, &row);
    check_same(out, input);
}

static void check_tomb(struct slice input, struct buf *out)
{
    struct row_tomb row;
    int err = row_tomb_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    row_tomb_encode(out, &row);
    check_same(out, input);
}

static void check_managed(struct slice input, struct buf *out)
{
    struct row_managed row;
    int err = row_managed_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.owner);
    check_inside(input, row.hint);
    row_managed_encode(out, &row);
    check_same(out, input);
}

static void check_referrer(struct slice input, struct buf *out)
{
    struct row_referrer row;
    int err = row_referrer_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.artifact_type);
    check_inside(input, row.descriptor);
    row_referrer_encode(out, &row);
    check_same(out, input);
}

static void check_draft(struct slice input, struct buf *out)
{
    struct row_draft row;
    int err = row_draft_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.media_type);
    check_inside(input, row.path);
    row_draft_encode(out, &row);
    check_same(out, input);
}

static void check_policy(struct slice input, struct buf *out)
{
    struct row_policy row;
    int err = row_policy_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.actor);
    check_inside(input, row.document);
    row_policy_encode(out, &row);
    check_same(out, input);
}

static void check_account(struct slice input, struct buf *out)
{
    struct row_account row;
    int err = row_account_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.bcrypt);
    check_inside(input, row.description);
    for (unsigned i = 0; i < row.groups_n; i++)
        check_inside(input, row.groups[i]);
    row_account_encode(out, &row);
    check_same(out, input);
}

static void check_group(struct slice input, struct buf *out)
{
    struct row_group row;
    int err = row_group_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.description);
    row_group_encode(out, &row);
    check_same(out, input);
}

static void check_token(struct slice input, struct buf *out)
{
    struct row_token row;
    int err = row_token_decode(input, &row);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, row.account);
    check_inside(input, row.description);
    for (unsigned i = 0; i < row.globs_n; i++)
        check_inside(input, row.globs[i]);
    row_token_encode(out, &row);
    check_same(out, input);
}

static void check_id(struct slice input, struct buf *out)
{
    uint64_t id;
    int err = row_id_decode(input, &id);

    if (err != 0) {
        check_err(err);
        return;
    }
    row_id_encode(out, id);
    check_same(out, input);
}

static bool same_event(const struct event *a, const struct event *b)
{
    return a->type == b->type && a->time_ms == b->time_ms && a->size == b->size &&
           slice_eq(a->actor, b->actor) && slice_eq(a->repository, b->repository) &&
           slice_eq(a->tag, b->tag) && slice_eq(a->media_type, b->media_type) &&
           slice_eq(a->from, b->from) && slice_eq(a->subject, b->subject) &&
           slice_eq(a->reason, b->reason) &&
           memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0 &&
           memcmp(&a->previous, &b->previous, sizeof(a->previous)) == 0;
}

/* Unknown fields are dropped, so it is the meaning that stays. */
static void check_event(struct slice input, struct buf *out)
{
    struct event event, again;
    int err = event_decode(input, &event);

    if (err != 0) {
        check_err(err);
        return;
    }
    check_inside(input, event.actor);
    check_inside(input, event.repository);
    check_inside(input, event.tag);
    check_inside(input, event.media_type);
    check_inside(input, event.from);
    check_inside(input, event.subject);
    check_inside(input, event.reason);
    event_encode(out, &event);
    if (out->overflow || out->n > input.n || event_decode(buf_slice(out), &again) != 0 ||
        !same_event(&event, &again))
        abort();
    buf_reset(out);
}

static void check_event_row(struct slice input)
{
    struct slice record;
    const uint8_t *hash;
    int err = event_row_split(input, &record, &hash);

    if (err != 0) {
        check_err(err);
        return;
    }
    if (record.p != input.p || record.n + EVENT_HASH_SIZE != input.n ||
        (const char *)hash != record.p + record.n)
        abort();
}

static void check(uint8_t choice, struct slice input, struct buf *out)
{
    switch (choice) {
    case 'k':
        check_key(input);
        break;
    case 'o':
        check_obj(input, out);
        break;
    case 'l':
        check_link(input, out);
        break;
    case 't':
        check_tag(input, out);
        break;
    case 'x':
        check_tomb(input, out);
        break;
    case 'm':
        check_managed(input, out);
        break;
    case 'r':
        check_referrer(input, out);
        break;
    case 'd':
        check_draft(input, out);
        break;
    case 'p':
        check_policy(input, out);
        break;
    case 'a':
        check_account(input, out);
        break;
    case 'g':
        check_group(input, out);
        break;
    case 'T':
        check_token(input, out);
        break;
    case 'i':
        check_id(input, out);
        break;
    case 'e':
        check_event(input, out);
        break;
    case 's':
        check_event_row(input);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;

    if (size == 0)
        return 0;
    buf_init(&out, (size_t)1 << 20);
    check(data[0], slice_make(data + 1, size - 1), &out);
    buf_fini(&out);
    return 0;
}
