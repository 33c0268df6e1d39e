/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "storage/rows.h"

#include <CUnit/CUnit.h>

static struct digest digest_of(const char *text, enum digest_algorithm algorithm)
{
    struct digest digest;

    digest_compute(algorithm, slice_from_cstr(text), &digest);
    return digest;
}

/*
 * Keys.
 */

static struct key_fields decoded(struct key key)
{
    static struct key kept[2]; /* the fields borrow from it */
    static unsigned turn;
    struct key_fields fields;
    struct key *copy = &kept[turn++ % 2];

    *copy = key;
    CU_ASSERT_EQUAL_FATAL(key_decode(key_slice(copy), &fields), 0);
    return fields;
}

static void test_key_text(void)
{
    static const struct {
        struct key (*make)(struct slice text);
        enum kv_family family;
    } cases[] = {{key_meta, KV_META}, {key_name, KV_NAME}, {key_cursor, KV_CURSOR}};

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct key_fields fields = decoded(cases[i].make(SLICE("team/app")));

        CU_ASSERT_EQUAL(fields.family, cases[i].family);
        CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("team/app")));
    }
}

static void test_key_ids(void)
{
    struct key_fields fields = decoded(key_obj(UINT64_MAX));

    CU_ASSERT_EQUAL(fields.family, KV_OBJ);
    CU_ASSERT_EQUAL(fields.id[0], UINT64_MAX);
    fields = decoded(key_body(7));
    CU_ASSERT_EQUAL(fields.family, KV_BODY);
    CU_ASSERT_EQUAL(fields.id[0], 7);
    fields = decoded(key_event(256));
    CU_ASSERT_EQUAL(fields.family, KV_EVENT);
    CU_ASSERT_EQUAL(fields.id[0], 256);
    fields = decoded(key_link(1, 2));
    CU_ASSERT_EQUAL(fields.family, KV_LINK);
    CU_ASSERT_TRUE(fields.id[0] == 1 && fields.id[1] == 2);
    fields = decoded(key_use(1, 2, 3, USE_SUBJECT));
    CU_ASSERT_EQUAL(fields.family, KV_USE);
    CU_ASSERT_TRUE(fields.id[0] == 1 && fields.id[1] == 2 && fields.id[2] == 3);
    CU_ASSERT_EQUAL(fields.byte, USE_SUBJECT);
    fields = decoded(key_referrer(4, 5, 6));
    CU_ASSERT_EQUAL(fields.family, KV_REFERRER);
    CU_ASSERT_TRUE(fields.id[0] == 4 && fields.id[1] == 5 && fields.id[2] == 6);
}

static void test_key_ids_text(void)
{
    struct key_fields fields = decoded(key_tag(9, SLICE("v1")));

    CU_ASSERT_EQUAL(fields.family, KV_TAG);
    CU_ASSERT_EQUAL(fields.id[0], 9);
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("v1")));
    fields = decoded(key_tagof(9, 8, SLICE("v1")));
    CU_ASSERT_EQUAL(fields.family, KV_TAGOF);
    CU_ASSERT_TRUE(fields.id[0] == 9 && fields.id[1] == 8);
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("v1")));
    fields = decoded(key_tomb(3, SLICE("\0\x01z")));
    CU_ASSERT_EQUAL(fields.family, KV_TOMB);
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("\0\x01z")));
    fields = decoded(key_managed(3, SLICE("t")));
    CU_ASSERT_EQUAL(fields.family, KV_MANAGED);
    fields = decoded(key_hold(1, 2, 200, SLICE("")));
    CU_ASSERT_EQUAL(fields.family, KV_HOLD);
    CU_ASSERT_EQUAL(fields.byte, 200);
    CU_ASSERT_EQUAL(fields.text.n, 0);
    fields = decoded(key_hold(1, 2, 3, SLICE("env/prod")));
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("env/prod")));
}

static void test_key_digest(void)
{
    struct digest digest = digest_of("a", DIGEST_SHA512);
    struct key_fields fields = decoded(key_digest(&digest, OBJECT_MANIFEST));

    CU_ASSERT_EQUAL(fields.family, KV_DIGEST);
    CU_ASSERT_TRUE(digest_eq(&fields.digest, &digest));
    CU_ASSERT_EQUAL(fields.byte, OBJECT_MANIFEST);
    digest = digest_of("a", DIGEST_SHA256);
    fields = decoded(key_digest(&digest, OBJECT_BLOB));
    CU_ASSERT_TRUE(digest_eq(&fields.digest, &digest));
    CU_ASSERT_EQUAL(fields.byte, OBJECT_BLOB);
}

static void test_key_due(void)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, 1, 1700000000000, INT64_MAX};

    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        struct key key = key_due(times[i], DUE_LINK, 5, 6);
        struct key_fields fields = decoded(key);

        CU_ASSERT_EQUAL((int64_t)fields.id[0], times[i]);
        CU_ASSERT_TRUE(fields.id[1] == 5 && fields.id[2] == 6 && fields.byte == DUE_LINK);
        if (i > 0) {
            struct key before = key_due(times[i - 1], DUE_LINK, UINT64_MAX, UINT64_MAX);

            CU_ASSERT_EQUAL(slice_cmp(key_slice(&before), key_slice(&key)), -1);
        }
    }
}

static void test_key_draft(void)
{
    struct digest path = digest_of("docs/a.txt", DIGEST_SHA256);
    struct key key = key_draft(7, SLICE("v1"), SLICE("anonymous"), &path);
    struct key mine = key_prefix_draft(7, SLICE("v1"), SLICE("anonymous"));
    struct key other = key_prefix_draft(7, SLICE("v1"), SLICE("anon"));
    struct key_fields fields = decoded(key);

    CU_ASSERT_EQUAL(fields.family, KV_DRAFT);
    CU_ASSERT_EQUAL(fields.id[0], 7);
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("v1")));
    CU_ASSERT_TRUE(slice_eq(fields.actor, SLICE("anonymous")));
    CU_ASSERT_TRUE(digest_eq(&fields.digest, &path));
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&mine)));
    CU_ASSERT_FALSE(slice_starts_with(key_slice(&key), key_slice(&other)));
    for (size_t n = 0; n < key.n; n++)
        CU_ASSERT_EQUAL(key_decode(slice_make(key.bytes, n), &fields), ERR_CORRUPT);
    key.bytes[key.n++] = 0;
    CU_ASSERT_EQUAL(key_decode(key_slice(&key), &fields), ERR_CORRUPT);
}

static void test_key_order(void)
{
    static const uint64_t numbers[] = {
        0, 1, 255, 256, 65535, 65536, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};

    for (size_t i = 1; i < ARRAY_LENGTH(numbers); i++) {
        struct key less = key_tag(numbers[i - 1], SLICE("\xff\xff"));
        struct key more = key_tag(numbers[i], SLICE("a"));

        CU_ASSERT_EQUAL(slice_cmp(key_slice(&less), key_slice(&more)), -1);
        less = key_use(1, numbers[i - 1], UINT64_MAX, USE_SUBJECT);
        more = key_use(1, numbers[i], 0, USE_BLOB);
        CU_ASSERT_EQUAL(slice_cmp(key_slice(&less), key_slice(&more)), -1);
    }
    struct key less = key_tag(1, SLICE("a")), more = key_tag(1, SLICE("a-"));
    CU_ASSERT_EQUAL(slice_cmp(key_slice(&less), key_slice(&more)), -1);
    /* Events are the end of the tree. */
    for (int id = 0; id < 256; id++) {
        if (kv_family_name((uint8_t)id) != NULL)
            CU_ASSERT_TRUE(id <= KV_EVENT);
    }
}

static void test_key_prefixes(void)
{
    struct key prefix = key_prefix_u64_u64(KV_USE, 1, 2), key = key_use(1, 2, 3, USE_BLOB);

    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
    prefix = key_prefix_u64(KV_USE, 1);
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
    prefix = key_prefix(KV_USE);
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
    prefix = key_prefix_u64(KV_USE, 2);
    CU_ASSERT_FALSE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
    prefix = key_prefix_name(SLICE("team/"));
    key = key_name(SLICE("team/app"));
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
    prefix = key_prefix_name(SLICE(""));
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&prefix)));
}

/* Every cut of a fixed-size key, and a byte more, is refused. */
static void test_key_refused(void)
{
    struct digest digest = digest_of("a", DIGEST_SHA256);
    struct key keys[] = {key_obj(1),
                         key_body(1),
                         key_event(1),
                         key_link(1, 2),
                         key_use(1, 2, 3, USE_BLOB),
                         key_referrer(1, 2, 3),
                         key_due(1, DUE_OBJECT, 2, 3),
                         key_digest(&digest, OBJECT_BLOB)};
    struct key_fields fields;

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        for (size_t n = 0; n < keys[i].n; n++)
            CU_ASSERT_EQUAL(key_decode(slice_make(keys[i].bytes, n), &fields), ERR_CORRUPT);
        CU_ASSERT_EQUAL(key_decode(slice_make(keys[i].bytes, keys[i].n + 1), &fields), ERR_CORRUPT);
    }
    CU_ASSERT_EQUAL(key_decode(slice_make(NULL, 0), &fields), ERR_CORRUPT);
    CU_ASSERT_EQUAL(key_decode(SLICE("\x02zzzzzzzz"), &fields), ERR_CORRUPT); /* no family */
    CU_ASSERT_EQUAL(key_decode(SLICE("\x10"), &fields), ERR_CORRUPT);         /* an empty name */
    CU_ASSERT_EQUAL(key_decode(SLICE("\x16\0\0\0\0\0\0\0\1"), &fields), ERR_CORRUPT);
    struct key why = key_use(1, 2, 3, (enum use_why)4);
    CU_ASSERT_EQUAL(key_decode(key_slice(&why), &fields), ERR_CORRUPT);
    struct key kind = key_digest(&digest, (enum object_kind)0);
    CU_ASSERT_EQUAL(key_decode(key_slice(&kind), &fields), ERR_CORRUPT);
}

static void test_family_names(void)
{
    CU_ASSERT_STRING_EQUAL(kv_family_name(KV_TAG), "tag");
    CU_ASSERT_STRING_EQUAL(kv_family_name(KV_EVENT), "event");
    CU_ASSERT_PTR_NULL(kv_family_name(0));
    CU_ASSERT_PTR_NULL(kv_family_name(255));
}

/*
 * Values.
 */

static struct buf out;

static int init(void)
{
    buf_init(&out, KV_VALUE_MAX);
    return 0;
}

static int fini(void)
{
    buf_fini(&out);
    return 0;
}

static void test_obj(void)
{
    struct row_obj row = {.kind = OBJECT_MANIFEST,
                          .state = OBJECT_TRASH,
                          .store = OBJECT_IN_INDEX,
                          .size = 1234567890123,
                          .links = 3,
                          .due_ms = -5,
                          .digest = digest_of("x", DIGEST_SHA512),
                          .media_type = SLICE("application/vnd.oci.image.manifest.v1+json")};
    struct row_obj got;

    buf_reset(&out);
    row_obj_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_obj_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.kind == row.kind && got.state == row.state && got.store == row.store);
    CU_ASSERT_TRUE(got.size == row.size && got.links == row.links && got.due_ms == row.due_ms);
    CU_ASSERT_TRUE(digest_eq(&got.digest, &row.digest));
    CU_ASSERT_TRUE(slice_eq(got.media_type, row.media_type));

    row = (struct row_obj){
        .kind = OBJECT_BLOB, .state = OBJECT_ABSENT, .digest = digest_of("x", DIGEST_SHA256)};
    buf_reset(&out);
    row_obj_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_obj_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.kind == OBJECT_BLOB && got.state == OBJECT_ABSENT && got.store == 0);
    CU_ASSERT_EQUAL(got.media_type.n, 0);
    for (size_t n = 0; n < out.n; n++)
        CU_ASSERT_EQUAL(row_obj_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    for (size_t at = 0; at < 4; at++) { /* version, kind, state, store */
        out.p[at] ^= '\x40';
        CU_ASSERT_EQUAL(row_obj_decode(buf_slice(&out), &got), ERR_CORRUPT);
        out.p[at] ^= '\x40';
    }
    out.p[28] = 3; /* algorithm */
    CU_ASSERT_EQUAL(row_obj_decode(buf_slice(&out), &got), ERR_CORRUPT);
}

static void test_link(void)
{
    struct row_link row = {.since_ms = 1700000000000, .seq = 42, .due_ms = 7}, got;

    buf_reset(&out);
    row_link_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_link_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.since_ms == row.since_ms && got.seq == 42 && got.due_ms == 7);
    CU_ASSERT_EQUAL(out.p[ROW_LINK_SEQ_OFFSET + 7], 42);
    for (size_t n = 0; n < out.n; n++)
        CU_ASSERT_EQUAL(row_link_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    buf_add_char(&out, 'x');
    CU_ASSERT_EQUAL(row_link_decode(buf_slice(&out), &got), ERR_CORRUPT);
}

static void test_tag(void)
{
    struct row_tag row = {.obj = 5, .seq = 42, .time_ms = 1700000000000, .actor = SLICE("ci")};
    struct row_tag got;

    buf_reset(&out);
    row_tag_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_tag_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.obj == 5 && got.seq == 42 && got.time_ms == row.time_ms);
    CU_ASSERT_TRUE(slice_eq(got.actor, SLICE("ci")));
    CU_ASSERT_EQUAL(out.p[ROW_TAG_SEQ_OFFSET + 7], 42);
    for (size_t n = 0; n < out.n - 2; n++) /* the actor may be shorter */
        CU_ASSERT_EQUAL(row_tag_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
}

static void test_small(void)
{
    struct row_tomb tomb = {.obj = 1, .seq = 2}, got;
    uint64_t id;

    buf_reset(&out);
    row_tomb_encode(&out, &tomb);
    CU_ASSERT_EQUAL_FATAL(row_tomb_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.obj == 1 && got.seq == 2);
    for (size_t n = 0; n < out.n; n++)
        CU_ASSERT_EQUAL(row_tomb_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    buf_reset(&out);
    row_id_encode(&out, UINT64_MAX - 1);
    CU_ASSERT_EQUAL_FATAL(row_id_decode(buf_slice(&out), &id), 0);
    CU_ASSERT_EQUAL(id, UINT64_MAX - 1);
    for (size_t n = 0; n < out.n; n++)
        CU_ASSERT_EQUAL(row_id_decode(slice_make(out.p, n), &id), ERR_CORRUPT);
}

static void test_sized(void)
{
    struct row_referrer referrer = {SLICE("application/spdx+json"), SLICE("{\"size\":1}")};
    struct row_managed managed = {SLICE("release"), SLICE("use promotions")}, got_managed;
    struct row_referrer got;

    buf_reset(&out);
    row_referrer_encode(&out, &referrer);
    CU_ASSERT_EQUAL_FATAL(row_referrer_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(slice_eq(got.artifact_type, referrer.artifact_type));
    CU_ASSERT_TRUE(slice_eq(got.descriptor, referrer.descriptor));
    for (size_t n = 0; n < 3 + referrer.artifact_type.n; n++)
        CU_ASSERT_EQUAL(row_referrer_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    buf_reset(&out);
    row_managed_encode(&out, &managed);
    CU_ASSERT_EQUAL_FATAL(row_managed_decode(buf_slice(&out), &got_managed), 0);
    CU_ASSERT_TRUE(slice_eq(got_managed.owner, managed.owner));
    CU_ASSERT_TRUE(slice_eq(got_managed.hint, managed.hint));
}

static void test_draft(void)
{
    const struct row_draft row = {
        .begun_ms = -5,
        .size = UINT64_MAX,
        .digest = digest_of("a", DIGEST_SHA512),
        .media_type = SLICE("text/plain"),
        .path = SLICE("docs/a.txt"),
    };
    struct row_draft got;

    buf_reset(&out);
    row_draft_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_draft_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_EQUAL(got.begun_ms, row.begun_ms);
    CU_ASSERT_EQUAL(got.size, row.size);
    CU_ASSERT_TRUE(digest_eq(&got.digest, &row.digest));
    CU_ASSERT_TRUE(slice_eq(got.media_type, row.media_type));
    CU_ASSERT_TRUE(slice_eq(got.path, row.path));
    /* A path is never empty. */
    for (size_t n = 0; n <= out.n - row.path.n; n++)
        CU_ASSERT_EQUAL(row_draft_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
}

static void test_policy(void)
{
    const struct row_policy row = {
        .seq = 7, .time_ms = -5, .actor = SLICE("ann"), .document = SLICE("{}")};
    struct row_policy got;

    buf_reset(&out);
    row_policy_encode(&out, &row);
    CU_ASSERT_EQUAL(out.p[ROW_POLICY_SEQ_OFFSET + 7], 7);
    CU_ASSERT_EQUAL_FATAL(row_policy_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_EQUAL(got.seq, row.seq);
    CU_ASSERT_EQUAL(got.time_ms, row.time_ms);
    CU_ASSERT_TRUE(slice_eq(got.actor, row.actor));
    CU_ASSERT_TRUE(slice_eq(got.document, row.document));
    /* A document is never empty. */
    for (size_t n = 0; n <= out.n - row.document.n; n++)
        CU_ASSERT_EQUAL(row_policy_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
}

static void test_account(void)
{
    const struct row_account row = {
        .kind = ACCOUNT_USER,
        .disabled = true,
        .external = true,
        .created_ms = 1700000000000,
        .bcrypt = SLICE("$2b$"),
        .groups = {SLICE("ops"), SLICE("team-a")},
        .groups_n = 2,
        .description = SLICE("somebody"),
    };
    struct row_account got;

    buf_reset(&out);
    row_account_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_account_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.kind == ACCOUNT_USER && got.disabled && got.external);
    CU_ASSERT_EQUAL(got.created_ms, row.created_ms);
    CU_ASSERT_TRUE(slice_eq(got.bcrypt, row.bcrypt));
    CU_ASSERT_EQUAL_FATAL(got.groups_n, 2);
    CU_ASSERT_TRUE(slice_eq(got.groups[1], row.groups[1]));
    CU_ASSERT_TRUE(slice_eq(got.description, row.description));
    for (size_t n = 0; n < out.n - row.description.n; n++)
        CU_ASSERT_EQUAL(row_account_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    out.p[1] = 3;
    CU_ASSERT_EQUAL(row_account_decode(buf_slice(&out), &got), ERR_CORRUPT);
    out.p[1] = ACCOUNT_ROBOT;
    CU_ASSERT_EQUAL(row_account_decode(buf_slice(&out), &got), 0);
    out.p[2] = 4; /* a flag of a later version may mean that nobody may log in */
    CU_ASSERT_EQUAL(row_account_decode(buf_slice(&out), &got), ERR_CORRUPT);
}

static void test_token(void)
{
    struct row_token row = {
        .kind = TOKEN_ROBOT,
        .may_approve = true,
        .warned = true,
        .created_ms = 1,
        .expires_ms = INT64_MAX,
        .last_used_ms = -1,
        .verbs = UINT32_MAX,
        .account = SLICE("ci"),
        .globs = {SLICE("a/**")},
        .globs_n = 1,
        .description = SLICE("of the build"),
    };
    struct row_token got;

    memset(row.sha256, 0x5a, sizeof(row.sha256));
    buf_reset(&out);
    row_token_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_token_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.kind == TOKEN_ROBOT && got.may_approve && got.warned);
    CU_ASSERT_EQUAL(memcmp(got.sha256, row.sha256, sizeof(row.sha256)), 0);
    CU_ASSERT_TRUE(got.created_ms == 1 && got.expires_ms == INT64_MAX && got.last_used_ms == -1);
    CU_ASSERT_EQUAL(got.verbs, UINT32_MAX);
    CU_ASSERT_TRUE(slice_eq(got.account, row.account));
    CU_ASSERT_EQUAL_FATAL(got.globs_n, 1);
    CU_ASSERT_TRUE(slice_eq(got.globs[0], row.globs[0]));
    CU_ASSERT_TRUE(slice_eq(got.description, row.description));
    for (size_t n = 0; n < out.n - row.description.n; n++)
        CU_ASSERT_EQUAL(row_token_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
    row.globs[0] = SLICE(""); /* one that is empty would mean every repository to nobody's wish */
    buf_reset(&out);
    row_token_encode(&out, &row);
    CU_ASSERT_EQUAL(row_token_decode(buf_slice(&out), &got), ERR_CORRUPT);
}

static void test_group(void)
{
    const struct row_group row = {.created_ms = 5, .description = SLICE("on call")};
    struct row_group got;

    buf_reset(&out);
    row_group_encode(&out, &row);
    CU_ASSERT_EQUAL_FATAL(row_group_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_TRUE(got.created_ms == 5 && slice_eq(got.description, row.description));
    for (size_t n = 0; n < out.n - row.description.n; n++)
        CU_ASSERT_EQUAL(row_group_decode(slice_make(out.p, n), &got), ERR_CORRUPT);
}

static void test_key_tokenof(void)
{
    struct key key = key_tokenof(SLICE("ci"), 7), mine = key_prefix_tokenof(SLICE("ci"));
    struct key other = key_prefix_tokenof(SLICE("c"));
    struct key_fields fields;

    CU_ASSERT_EQUAL_FATAL(key_decode(key_slice(&key), &fields), 0);
    CU_ASSERT_EQUAL(fields.family, KV_TOKENOF);
    CU_ASSERT_EQUAL(fields.id[0], 7);
    CU_ASSERT_TRUE(slice_eq(fields.text, SLICE("ci")));
    CU_ASSERT_TRUE(slice_starts_with(key_slice(&key), key_slice(&mine)));
    CU_ASSERT_FALSE(slice_starts_with(key_slice(&key), key_slice(&other)));
    key.n--;
    CU_ASSERT_EQUAL(key_decode(key_slice(&key), &fields), ERR_CORRUPT);
}

static void test_too_long(void)
{
    static char text[UINT16_MAX + 1];
    struct row_referrer referrer = {slice_make(text, sizeof(text)), SLICE("{}")};

    buf_reset(&out);
    row_referrer_encode(&out, &referrer);
    CU_ASSERT_TRUE(out.overflow);
}

void test_suites(void)
{
    CU_pSuite keys = CU_add_suite("keys", NULL, NULL);
    CU_pSuite values = CU_add_suite("values", init, fini);

    CU_add_test(keys, "text", test_key_text);
    CU_add_test(keys, "ids", test_key_ids);
    CU_add_test(keys, "ids and text", test_key_ids_text);
    CU_add_test(keys, "digest", test_key_digest);
    CU_add_test(keys, "due", test_key_due);
    CU_add_test(keys, "draft", test_key_draft);
    CU_add_test(keys, "tokenof", test_key_tokenof);
    CU_add_test(keys, "order", test_key_order);
    CU_add_test(keys, "prefixes", test_key_prefixes);
    CU_add_test(keys, "refused", test_key_refused);
    CU_add_test(keys, "family names", test_family_names);
    CU_add_test(values, "obj", test_obj);
    CU_add_test(values, "link", test_link);
    CU_add_test(values, "tag", test_tag);
    CU_add_test(values, "tomb, id", test_small);
    CU_add_test(values, "referrer, managed", test_sized);
    CU_add_test(values, "draft", test_draft);
    CU_add_test(values, "policy", test_policy);
    CU_add_test(values, "account", test_account);
    CU_add_test(values, "token", test_token);
    CU_add_test(values, "group", test_group);
    CU_add_test(values, "too long", test_too_long);
}
