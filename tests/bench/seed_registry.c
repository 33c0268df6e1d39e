/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a data directory with many tags, referrers or repositories, for measurements of a registry
 * that holds a lot: the same functions as a push, without HTTP and without waiting for one commit
 * before the next manifest. No server may be running on the directory.
 *
 *   seed_registry DATA tags REPOSITORY FROM TO      tags v0000001 ..., a manifest for each
 *   seed_registry DATA referrers REPOSITORY COUNT   manifests whose subject has the tag "subject"
 *   seed_registry DATA repositories PREFIX COUNT    PREFIX-000001 ..., a manifest with a tag in
 * each
 *
 * What is there already stays. fsck finds nothing wrong with what is made here.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/push.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFESTS_AT_ONCE 1024 /* several commits' worth, so that the writer never waits */
#define BODY_MAX          1024
#define NAME_MAX_BYTES    300
#define IMAGE_TYPE        "application/vnd.oci.image.manifest.v1+json"
#define EMPTY_TYPE        "application/vnd.oci.empty.v1+json"
#define EMPTY_CONFIG      "{}"

/* One manifest on its way into the index. */
struct planting {
    struct seeder *seeder;
    struct planting *next_free;
    struct arena arena;
    struct manifest_put put;
    struct slice tag;
    char repository_text[NAME_MAX_BYTES], tag_text[TAG_MAX + 1], body[BODY_MAX];
};

/* What names it. */
struct planted {
    struct digest digest;
    size_t size;
};

struct seeder {
    struct store store;
    struct queue *replies;
    struct kv_client *client;
    struct planting *plantings, *free;
    unsigned under_way;
    struct digest config; /* of the empty config blob every manifest has */
};

static const struct slice actor = {"seed", 4};

static void fail(const char *what, int err, const struct fault *fault)
{
    fprintf(stderr, "seed_registry: %s: %s\n", what, fault_text(fault, err));
    exit(EXIT_FAILURE);
}

static void pump(struct seeder *seeder)
{
    struct pollfd fd = {.fd = queue_fd(seeder->replies), .events = POLLIN};

    poll(&fd, 1, -1);
    pool_run_replies(seeder->replies);
}

static void seeder_wait(struct seeder *seeder)
{
    while (seeder->under_way > 0)
        pump(seeder);
}

static void seeder_close(struct seeder *seeder)
{
    seeder_wait(seeder);
    kv_client_destroy(seeder->client);
    queue_destroy(seeder->replies);
    for (unsigned i = 0; i < MANIFESTS_AT_ONCE; i++)
        arena_fini(&seeder->plantings[i].arena);
    free(seeder->plantings);
    store_close(&seeder->store);
}

static void put_config_file(struct seeder *seeder)
{
    struct fault fault = FAULT_INIT;

    digest_compute(DIGEST_SHA256, SLICE(EMPTY_CONFIG), &seeder->config);
    int err = blob_file_write(seeder->store.files, &seeder->config, SLICE(EMPTY_CONFIG), &fault);
    if (err != 0)
        fail("the empty config", err, &fault);
}

static void seeder_open(struct seeder *seeder, const char *path)
{
    const struct store_options options = {
        .path = path,
        .kv = {.map_size_bytes = UINT64_C(256) << 30,
               .readers_max = 16,
               .queue_max = 4 * MANIFESTS_AT_ONCE},
        .uploads = {.buffer_total_bytes = 1u << 20, .count_max = 1, .idle_expire_s = 86400},
        .cpu_threads = 1,
        .io_threads = 1,
    };
    struct fault fault = FAULT_INIT;
    int err = store_open(&options, &seeder->store, &fault);

    if (err != 0)
        fail(path, err, &fault);
    seeder->replies = queue_create();
    seeder->client = kv_client_create(seeder->store.kv, seeder->replies);
    seeder->plantings = xcalloc(MANIFESTS_AT_ONCE, sizeof(*seeder->plantings));
    for (unsigned i = 0; i < MANIFESTS_AT_ONCE; i++) {
        struct planting *planting = &seeder->plantings[i];
        planting->seeder = seeder;
        planting->next_free = seeder->free;
        seeder->free = planting;
        arena_init(&planting->arena, 1u << 20);
    }
    put_config_file(seeder);
}

static void link_config(struct seeder *seeder, const char *repository)
{
    struct blob_put put = {.repository = slice_from_cstr(repository),
                           .actor = actor,
                           .digest = seeder->config,
                           .size = strlen(EMPTY_CONFIG)};
    int err = kv_write_sync(seeder->store.kv, blob_put, &put);

    if (err != 0)
        fail(repository, err, NULL);
}

static int put_manifest(struct kv_tx *tx, void *arg)
{
    struct planting *planting = arg;

    return manifest_put(tx, &planting->put);
}

static void end_planting(void *arg, int err)
{
    struct planting *planting = arg;
    struct seeder *seeder = planting->seeder;

    if (err != 0)
        fail(planting->tag_text, err, NULL);
    planting->next_free = seeder->free;
    seeder->free = planting;
    seeder->under_way--;
}

static struct planting *take_planting(struct seeder *seeder)
{
    while (seeder->free == NULL)
        pump(seeder);
    struct planting *planting = seeder->free;
    seeder->free = planting->next_free;
    arena_reset(&planting->arena);
    return planting;
}

/* Begin to put a manifest that is unlike any of another `word`. Tag NULL: none; `more` goes on
 * after the last field. */
static struct planted plant(struct seeder *seeder, const char *repository, const char *tag,
                            const char *word, const char *more)
{
    static const struct manifest_limits limits = {.max_bytes = BODY_MAX,
                                                  .max_descriptors = 8,
                                                  .max_depth = 8,
                                                  .max_annotation_bytes = BODY_MAX};
    struct planting *planting = take_planting(seeder);
    struct fault fault = FAULT_INIT;
    struct manifest *manifest;
    char config[DIGEST_TEXT_MAX];

    digest_format(&seeder->config, config);
    int n = snprintf(planting->body, BODY_MAX,
                     "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE
                     "\",\"config\":{\"mediaType\":\"" EMPTY_TYPE
                     "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[],"
                     "\"annotations\":{\"number\":\"%s\"}%s}",
                     config, strlen(EMPTY_CONFIG), word, more);
    struct slice body = slice_make(planting->body, (size_t)n);
    int err = n >= BODY_MAX
                  ? ERR_LIMIT
                  : manifest_parse(&planting->arena, body, SLICE(""), &limits, &manifest, &fault);
    if (err != 0)
        fail(word, err, &fault);
    snprintf(planting->repository_text, NAME_MAX_BYTES, "%s", repository);
    snprintf(planting->tag_text, sizeof(planting->tag_text), "%s", tag != NULL ? tag : "");
    planting->tag = slice_from_cstr(planting->tag_text);
    planting->put = (struct manifest_put){
        .repository = slice_from_cstr(planting->repository_text),
        .actor = actor,
        .manifest = manifest,
        .body = body,
        .size = body.n,
        .tags = &planting->tag,
        .tags_n = tag != NULL,
        .verbs = VERB_BITS_ALL,
    };
    digest_compute(DIGEST_SHA256, body, &planting->put.digest);
    seeder->under_way++;
    struct planted planted = {planting->put.digest, body.n};
    kv_write(seeder->client, KV_FRONT, put_manifest, planting, end_planting);
    return planted;
}

static void seed_tags(struct seeder *seeder, const char *repository, unsigned from, unsigned to)
{
    char tag[32];

    link_config(seeder, repository);
    for (unsigned i = from; i <= to; i++) {
        snprintf(tag, sizeof(tag), "v%07u", i);
        plant(seeder, repository, tag, tag, "");
    }
}

static void seed_referrers(struct seeder *seeder, const char *repository, unsigned count)
{
    char word[32], more[400], text[DIGEST_TEXT_MAX];

    link_config(seeder, repository);
    struct planted subject = plant(seeder, repository, "subject", "subject", "");
    seeder_wait(seeder);
    digest_format(&subject.digest, text);
    for (unsigned i = 1; i <= count; i++) {
        snprintf(word, sizeof(word), "referrer-%07u", i);
        snprintf(more, sizeof(more),
                 ",\"artifactType\":\"application/"
                 "vnd.example.note\",\"subject\":{\"mediaType\":\"" IMAGE_TYPE
                 "\",\"digest\":\"%s\",\"size\":%zu}",
                 text, subject.size);
        plant(seeder, repository, NULL, word, more);
    }
}

static void seed_repositories(struct seeder *seeder, const char *prefix, unsigned count)
{
    char name[NAME_MAX_BYTES];

    for (unsigned i = 1; i <= count; i++) {
        snprintf(name, sizeof(name), "%s-%06u", prefix, i);
        link_config(seeder, name);
        plant(seeder, name, "latest", "latest", "");
    }
}

static unsigned number(const char *text)
{
    uint64_t value;

    if (!slice_parse_u64(slice_from_cstr(text), &value) || value > 100000000)
        fail(text, ERR_INVALID, NULL);
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    static struct seeder seeder;
    const char *kind = argc >= 5 ? argv[2] : "";

    if (argc == 6 && strcmp(kind, "tags") == 0) {
        seeder_open(&seeder, argv[1]);
        seed_tags(&seeder, argv[3], number(argv[4]), number(argv[5]));
    } else if (argc == 5 && strcmp(kind, "referrers") == 0) {
        seeder_open(&seeder, argv[1]);
        seed_referrers(&seeder, argv[3], number(argv[4]));
    } else if (argc == 5 && strcmp(kind, "repositories") == 0) {
        seeder_open(&seeder, argv[1]);
        seed_repositories(&seeder, argv[3], number(argv[4]));
    } else {
        fputs("usage: seed_registry DATA tags REPOSITORY FROM TO\n"
              "       seed_registry DATA referrers REPOSITORY COUNT\n"
              "       seed_registry DATA repositories PREFIX COUNT\n",
              stderr);
        return 2;
    }
    seeder_close(&seeder);
    return EXIT_SUCCESS;
}
