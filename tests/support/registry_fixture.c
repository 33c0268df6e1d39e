/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/registry_fixture.h"

#include "registry/repository.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX   8192
#define TEXT_SLOTS 128

static const struct slice actor = {"tester", 6};

/* Static texts, used in turn. */
static char *next_text(void)
{
    static char texts[TEXT_SLOTS][TEXT_MAX];
    static unsigned next;

    return texts[next++ % TEXT_SLOTS];
}

int fixture_blob_put(const char *repo, const char *content)
{
    struct blob_put put = {
        .repository = slice_from_cstr(repo),
        .actor = actor,
        .digest = fixture_digest(content),
        .size = strlen(content),
    };

    return fixture_write(blob_put, &put);
}

int fixture_blob_get(const char *repo, const char *content)
{
    struct blob_get get = {.repository = slice_from_cstr(repo), .digest = fixture_digest(content)};
    int err = fixture_read(blob_get, &get);

    CU_ASSERT_EQUAL(get.size, err == 0 ? strlen(content) : 0);
    return err;
}

int fixture_blob_mount(const char *repo, const char *from, const char *content)
{
    struct blob_mount mount = {
        .repository = slice_from_cstr(repo),
        .actor = actor,
        .digest = fixture_digest(content),
        .from = slice_from_cstr(from),
    };
    int err = fixture_write(blob_mount, &mount);

    CU_ASSERT_EQUAL(mount.size, err == 0 ? strlen(content) : 0);
    return err;
}

int fixture_blob_delete(const char *repo, const char *content, struct holders *holders)
{
    static struct blob_delete del; /* too large for small stacks */

    del = (struct blob_delete){
        .repository = slice_from_cstr(repo),
        .actor = actor,
        .digest = fixture_digest(content),
        .grace_ms = FIXTURE_GRACE_MS,
    };
    int err = fixture_write(blob_delete, &del);
    if (holders != NULL)
        *holders = del.holders;
    return err;
}

const char *fixture_descriptor(const char *media_type, const char *content)
{
    struct digest digest = fixture_digest(content);
    char hex[DIGEST_TEXT_MAX];
    char *text = next_text();

    digest_format(&digest, hex);
    snprintf(text, TEXT_MAX, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", media_type,
             hex, strlen(content));
    return text;
}

const char *fixture_image(const char *config, const char *layer, const char *more)
{
    const char *first = fixture_descriptor(OCI_CONFIG, config);
    const char *second = layer != NULL ? fixture_descriptor(OCI_LAYER, layer) : "";
    char *text = next_text();

    snprintf(text, TEXT_MAX,
             "{\"schemaVersion\":2,\"mediaType\":\"" OCI_IMAGE
             "\",\"config\":%s,\"layers\":[%s]%s}",
             first, second, more);
    return text;
}

const char *fixture_index(const char *descriptors, const char *more)
{
    char *text = next_text();

    snprintf(text, TEXT_MAX,
             "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[%s]%s}",
             descriptors, more);
    return text;
}

static const struct manifest_limits limits = {
    .max_bytes = 4u << 20,
    .max_descriptors = 4000,
    .max_depth = 32,
    .max_annotation_bytes = 32768,
};

int fixture_manifest_put(const char *repo, const char *tag, const char *text,
                         struct fixture_put *how)
{
    struct fixture_put usual = {.as_file = false};
    struct slice tags[128];
    struct manifest *manifest;
    struct fault fault = FAULT_INIT;
    struct arena arena;

    if (how == NULL)
        how = &usual;
    arena_init(&arena, 16u << 20);
    int err = manifest_parse(&arena, slice_from_cstr(text), slice_from_cstr(how->content_type),
                             &limits, &manifest, &fault);
    if (err != 0)
        printf("# %s: %s\n", text, fault.text);
    CU_ASSERT_EQUAL_FATAL(err, 0);
    how->result = (struct manifest_put){
        .repository = slice_from_cstr(repo),
        .actor = actor,
        .manifest = manifest,
        .body = how->as_file ? (struct slice){NULL, 0} : slice_from_cstr(text),
        .digest = fixture_digest(text),
        .size = strlen(text),
        .tags = tags,
        .condition = how->condition,
        .verbs = VERB_BITS_ALL & ~how->without_verbs,
        .allow_sparse = how->allow_sparse,
        .also = how->also,
        .also_arg = how->also_arg,
    };
    for (; how->tags != NULL && how->tags[how->result.tags_n] != NULL; how->result.tags_n++)
        tags[how->result.tags_n] = slice_from_cstr(how->tags[how->result.tags_n]);
    if (tag != NULL)
        tags[how->result.tags_n++] = slice_from_cstr(tag);
    err = fixture_write(manifest_put, &how->result);
    arena_fini(&arena);
    how->result.manifest = NULL;
    how->result.tags = NULL;
    return err;
}

struct reading {
    struct manifest_get get;
    const char *text;
    bool is_same;
};

static int read_manifest(struct kv_tx *tx, void *arg)
{
    struct reading *reading = arg;
    int err = manifest_get(tx, &reading->get);

    /* The body is borrowed from the transaction. */
    reading->is_same = err == 0 && (reading->get.body.p == NULL ||
                                    slice_eq(reading->get.body, slice_from_cstr(reading->text)));
    return err;
}

int fixture_manifest_get(const char *repo, const char *tag, const char *text)
{
    struct reading reading = {.get.repository = slice_from_cstr(repo), .text = text};
    struct digest digest = fixture_digest(text);

    reading.get.reference =
        (struct reference){.is_digest = tag == NULL, .tag = slice_from_cstr(tag), .digest = digest};
    int err = fixture_read(read_manifest, &reading);
    if (err == 0) {
        CU_ASSERT_TRUE(reading.is_same);
        CU_ASSERT_TRUE(digest_eq(&reading.get.digest, &digest));
        CU_ASSERT_EQUAL(reading.get.size, strlen(text));
    }
    return err;
}

int fixture_manifest_delete(const char *repo, const char *text, struct holders *holders,
                            unsigned *again)
{
    static struct manifest_delete del;
    unsigned repetitions = 0;
    int err;

    del = (struct manifest_delete){
        .repository = slice_from_cstr(repo),
        .actor = actor,
        .digest = fixture_digest(text),
        .grace_ms = FIXTURE_GRACE_MS,
    };
    do {
        err = fixture_write(manifest_delete, &del);
        if (err == 0 && del.again)
            repetitions++;
    } while (err == 0 && del.again);
    if (holders != NULL)
        *holders = del.holders;
    if (again != NULL)
        *again = repetitions;
    return err;
}

int fixture_tag_delete(const char *repo, const char *tag)
{
    struct tag_delete del = {
        .repository = slice_from_cstr(repo), .actor = actor, .tag = slice_from_cstr(tag)};

    return fixture_write(tag_delete, &del);
}

struct look_up {
    const char *text;
    enum object_kind kind;
    struct object object;
    uint64_t repo;
};

static int find_repository(struct kv_tx *tx, void *arg)
{
    struct look_up *look = arg;

    return repository_find(tx, slice_from_cstr(look->text), &look->repo);
}

uint64_t fixture_repo(const char *repo)
{
    struct look_up look = {.text = repo};

    CU_ASSERT_EQUAL_FATAL(fixture_read(find_repository, &look), 0);
    return look.repo;
}

static int find_object(struct kv_tx *tx, void *arg)
{
    struct look_up *look = arg;
    struct digest digest = fixture_digest(look->text);
    int err = object_find(tx, &digest, look->kind, &look->object);

    look->object.row.media_type = SLICE("");
    return err;
}

struct object fixture_object(const char *content, enum object_kind kind)
{
    struct look_up look = {.text = content, .kind = kind};

    CU_ASSERT_EQUAL_FATAL(fixture_read(find_object, &look), 0);
    return look.object;
}
