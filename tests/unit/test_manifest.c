/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "registry/manifest.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OCI_IMAGE    "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_ARTIFACT "application/vnd.oci.artifact.manifest.v1+json"
#define DOCKER_IMAGE "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST  "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI_CONFIG   "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER    "application/vnd.oci.image.layer.v1.tar+gzip"

#define HEX_A        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C        "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define DIG_A        "sha256:" HEX_A
#define DIG_B        "sha256:" HEX_B
#define DIG_C        "sha256:" HEX_C
#define DIG_512      "sha512:" HEX_A HEX_B

/* D(type, digest, size): a descriptor; DX with more fields. */
#define D(type, digest, size) DX(type, digest, size, "")
#define DX(type, digest, size, more)                                                               \
    "{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size more "}"
#define CONFIG                D(OCI_CONFIG, DIG_A, "10")
#define LAYER                 D(OCI_LAYER, DIG_B, "20")
#define CHILD                 D(OCI_IMAGE, DIG_B, "20")
#define TYPED(type, rest)     "{\"schemaVersion\":2,\"mediaType\":\"" type "\"," rest "}"
#define IMAGE(config, layers) TYPED(OCI_IMAGE, "\"config\":" config ",\"layers\":" layers)
#define INDEX(manifests)      TYPED(OCI_INDEX, "\"manifests\":" manifests)
#define IMAGE_WITH(more)      IMAGE(CONFIG, "[" LAYER "]" more)
#define INDEX_WITH(more)      INDEX("[" CHILD "]" more)
#define ARTIFACT(rest)        "{\"mediaType\":\"" OCI_ARTIFACT "\"," rest "}"

static const struct manifest_limits limits = {
    .max_bytes = 4 << 20,
    .max_descriptors = 8,
    .max_depth = 16,
    .max_annotation_bytes = 64,
};

static struct arena arena;

static int set_up(void)
{
    arena_init(&arena, 16 << 20);
    return 0;
}

static int tear_down(void)
{
    arena_fini(&arena);
    return 0;
}

/* Never NULL. */
static const struct manifest *parse_as(const char *body, const char *content_type)
{
    struct fault fault = FAULT_INIT;
    struct manifest *manifest;
    int err;

    arena_reset(&arena);
    err = manifest_parse(&arena, slice_from_cstr(body), slice_from_cstr(content_type), &limits,
                         &manifest, &fault);
    CU_ASSERT_EQUAL(err, 0);
    CU_ASSERT_EQUAL(fault.code, 0);
    if (err != 0)
        printf("# %s as \"%s\": %s\n", body, content_type, fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(manifest);
    CU_ASSERT_STRING_EQUAL(manifest_kind_media_type(manifest->kind), manifest->media_type.p);
    return manifest;
}

static const struct manifest *parse(const char *body)
{
    return parse_as(body, "");
}

static void check_refused(const char *body, const char *content_type, const char *reason)
{
    struct fault fault = FAULT_INIT;
    struct manifest *manifest = (struct manifest *)&fault;
    int err;

    arena_reset(&arena);
    err = manifest_parse(&arena, slice_from_cstr(body), slice_from_cstr(content_type), &limits,
                         &manifest, &fault);
    CU_ASSERT_EQUAL(err, ERR_MANIFEST_INVALID);
    CU_ASSERT_EQUAL(fault.code, ERR_MANIFEST_INVALID);
    CU_ASSERT_PTR_NULL(manifest);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, reason));
    if (err == 0 || !strstr(fault.text, reason))
        printf("# %s as \"%s\": %s\n", body, content_type, fault.text);
}

static void check_kind(const char *body, const char *content_type, enum manifest_kind kind)
{
    CU_ASSERT_EQUAL(parse_as(body, content_type)->kind, kind);
}

/* --- Kinds ----------------------------------------------------------------------------------- */

static void test_kinds(void)
{
    static const char bare_image[] =
        "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}";
    static const char bare_index[] = "{\"schemaVersion\":2,\"manifests\":[" CHILD "]}";

    check_kind(IMAGE_WITH(""), "", MANIFEST_OCI_IMAGE);
    check_kind(IMAGE_WITH(""), OCI_IMAGE, MANIFEST_OCI_IMAGE);
    check_kind(IMAGE_WITH(""), OCI_IMAGE "; charset=utf-8", MANIFEST_OCI_IMAGE);
    check_kind(IMAGE_WITH(""), " Application/vnd.OCI.image.manifest.v1+JSON ;x",
               MANIFEST_OCI_IMAGE);
    check_kind(IMAGE_WITH(""), "application/json", MANIFEST_OCI_IMAGE);
    check_kind(IMAGE_WITH(""), "application/json; charset=utf-8", MANIFEST_OCI_IMAGE);
    check_kind(INDEX_WITH(""), "", MANIFEST_OCI_INDEX);
    check_kind(TYPED(DOCKER_IMAGE, "\"config\":" CONFIG ",\"layers\":[]"), "",
               MANIFEST_DOCKER_IMAGE);
    check_kind(TYPED(DOCKER_LIST, "\"manifests\":[]"), DOCKER_LIST, MANIFEST_DOCKER_LIST);
    check_kind(ARTIFACT("\"artifactType\":\"a/b\""), "", MANIFEST_OCI_ARTIFACT);
    check_kind(ARTIFACT("\"artifactType\":\"a/b\",\"blobs\":[" LAYER "]"), OCI_ARTIFACT,
               MANIFEST_OCI_ARTIFACT);

    /* Without a mediaType the Content-Type decides, and without both the fields. */
    check_kind(bare_image, OCI_IMAGE, MANIFEST_OCI_IMAGE);
    check_kind(bare_image, DOCKER_IMAGE, MANIFEST_DOCKER_IMAGE);
    check_kind(bare_image, "", MANIFEST_OCI_IMAGE);
    check_kind(bare_image, "application/json", MANIFEST_OCI_IMAGE);
    check_kind(bare_index, OCI_INDEX, MANIFEST_OCI_INDEX);
    check_kind(bare_index, DOCKER_LIST, MANIFEST_DOCKER_LIST);
    check_kind(bare_index, "", MANIFEST_OCI_INDEX);
    CU_ASSERT_TRUE(slice_eq(parse_as(bare_index, DOCKER_LIST)->media_type, SLICE(DOCKER_LIST)));
    check_kind(TYPED("", "\"manifests\":[]"), DOCKER_LIST, MANIFEST_DOCKER_LIST);
    check_kind(TYPED("", "\"manifests\":[]"), "", MANIFEST_OCI_INDEX);
}

static void test_kinds_refused(void)
{
    static const char bare[] = "{\"schemaVersion\":2}";

    check_refused(IMAGE_WITH(""), OCI_INDEX, "must agree");
    check_refused(IMAGE_WITH(""), DOCKER_IMAGE, "must agree");
    check_refused(INDEX_WITH(""), OCI_IMAGE, "must agree");
    check_refused(IMAGE_WITH(""), "text/plain", OCI_INDEX);
    check_refused(IMAGE_WITH(""), "text/plain", "text/plain");
    check_refused(TYPED("a/b", "\"layers\":[]"), "", OCI_ARTIFACT);
    check_refused(TYPED("a/b", "\"layers\":[]"), OCI_IMAGE, DOCKER_LIST);
    check_refused("{\"schemaVersion\":2,\"mediaType\":3}", "", "mediaType must be a string");
    check_refused(bare, "", "no manifest");
    check_refused("{}", "application/json", "no manifest");
    check_refused(bare, OCI_IMAGE, "config is missing");
    check_refused(bare, OCI_INDEX, "manifests is missing");

    /* Docker schema 1, however it comes. */
    check_refused("{\"schemaVersion\":1,\"fsLayers\":[]}", "", "schema 1");
    check_refused("{\"schemaVersion\":1,\"fsLayers\":[]}",
                  "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1");
    check_refused(TYPED("application/vnd.docker.distribution.manifest.v1+json", "\"a\":1"), "",
                  "schema 1");

    /* What could be read as two kinds. */
    check_refused(IMAGE_WITH(",\"manifests\":[]"), "", "must not have manifests");
    check_refused(IMAGE_WITH(",\"manifests\":null"), "", "must not have manifests");
    check_refused(INDEX_WITH(",\"layers\":[]"), "", "must not have layers");
    check_refused(INDEX_WITH(",\"config\":" CONFIG), "", "must not have config");
    check_refused(INDEX_WITH(",\"fsLayers\":[]"), "", "must not have fsLayers");
    check_refused(ARTIFACT("\"artifactType\":\"a/b\",\"manifests\":[]"), "", "must not have");

    check_refused("{\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[]}", "", "must be 2");
    check_refused("{\"schemaVersion\":\"2\",\"manifests\":[]}", "", "must be 2");
    check_refused("{\"schemaVersion\":2.0,\"manifests\":[]}", "", "must be 2");
    check_refused("{\"schemaVersion\":3,\"manifests\":[]}", "", "must be 2");
    check_refused(ARTIFACT("\"artifactType\":\"a/b\",\"schemaVersion\":1"), "", "must be 2");
}

static void test_documents_refused(void)
{
    check_refused("", "", "");
    check_refused("[]", OCI_IMAGE, "must be a JSON object");
    check_refused("null", "", "must be a JSON object");
    check_refused("{", "", "line 1");
    check_refused(IMAGE_WITH("") "  x", "", "line 1");
    check_refused(IMAGE_WITH("") IMAGE_WITH(""), "", "line 1");
    check_refused(IMAGE_WITH(",\"layers\":[]"), "", "layers");
    check_refused(IMAGE_WITH(",\"a\":{\"b\":1,\"b\":1}"), "", "");
    check_refused(IMAGE_WITH(",\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), "", "");
    check_refused("{\"schemaVersion\":2,\"manifests\":[],\"a\":\"\xff\"}", "", "");
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static void test_image(void)
{
    const struct manifest *m =
        parse(IMAGE(CONFIG, "[" LAYER "," D(OCI_LAYER, DIG_512, "9223372036854775807") "]"));

    CU_ASSERT_EQUAL_FATAL(m->descriptors_n, 3);
    CU_ASSERT_STRING_EQUAL(m->descriptors[0].field, "config");
    CU_ASSERT_TRUE(slice_eq(m->descriptors[0].media_type, SLICE(OCI_CONFIG)));
    CU_ASSERT_EQUAL(m->descriptors[0].size, 10);
    CU_ASSERT_STRING_EQUAL(m->descriptors[1].field, "layers");
    CU_ASSERT_EQUAL(m->descriptors[1].index, 0);
    CU_ASSERT_EQUAL(m->descriptors[1].digest.raw[0], 0xbb);
    CU_ASSERT_EQUAL(m->descriptors[2].index, 1);
    CU_ASSERT_EQUAL(m->descriptors[2].size, INT64_MAX);
    CU_ASSERT_EQUAL(m->descriptors[2].digest.algorithm, DIGEST_SHA512);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(m->descriptors[i].is_manifest);
        CU_ASSERT_FALSE(m->descriptors[i].may_be_missing);
    }
    CU_ASSERT_FALSE(m->has_subject);
    CU_ASSERT_EQUAL(m->annotations.n, 0);
    CU_ASSERT_TRUE(slice_eq(m->artifact_type, SLICE(OCI_CONFIG)));

    /* A layer of a manifest's type is still a blob. */
    m = parse(IMAGE(CONFIG, "[" CHILD "]"));
    CU_ASSERT_FALSE(m->descriptors[1].is_manifest);
    CU_ASSERT_EQUAL(parse(IMAGE(CONFIG, "[]"))->descriptors_n, 1);
    CU_ASSERT_EQUAL(parse(IMAGE(CONFIG, "null"))->descriptors_n, 1);
    /* One digest twice, one size. */
    CU_ASSERT_EQUAL(parse(IMAGE(CONFIG, "[" LAYER "," LAYER "," CONFIG "]"))->descriptors_n, 4);
}

static void test_index(void)
{
    const struct manifest *m = parse(INDEX("[" CHILD "," D(DOCKER_LIST, DIG_C, "30") "," D(
        "application/vnd.buildkit.cacheconfig.v0", DIG_A, "5") "]"));

    CU_ASSERT_EQUAL_FATAL(m->descriptors_n, 3);
    CU_ASSERT_STRING_EQUAL(m->descriptors[2].field, "manifests");
    CU_ASSERT_TRUE(m->descriptors[0].is_manifest);
    CU_ASSERT_TRUE(m->descriptors[1].is_manifest);
    CU_ASSERT_FALSE(m->descriptors[2].is_manifest);
    CU_ASSERT_EQUAL(m->artifact_type.n, 0);
    CU_ASSERT_EQUAL(parse(INDEX("[]"))->descriptors_n, 0);
    CU_ASSERT_EQUAL(parse(INDEX("null"))->descriptors_n, 0);

    m = parse(ARTIFACT("\"artifactType\":\"a/b\",\"blobs\":[" LAYER "]"));
    CU_ASSERT_EQUAL_FATAL(m->descriptors_n, 1);
    CU_ASSERT_STRING_EQUAL(m->descriptors[0].field, "blobs");
    CU_ASSERT_FALSE(m->descriptors[0].is_manifest);
}

static bool layer_may_be_missing(const char *body)
{
    return parse(body)->descriptors[1].may_be_missing;
}

static void test_may_be_missing(void)
{
    CU_ASSERT_TRUE(layer_may_be_missing(
        IMAGE(CONFIG, "[" D("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", DIG_B,
                            "1") "]")));
    CU_ASSERT_TRUE(layer_may_be_missing(
        IMAGE(CONFIG,
              "[" D("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", DIG_B, "1") "]")));
    CU_ASSERT_TRUE(layer_may_be_missing(
        IMAGE(CONFIG, "[" DX(OCI_LAYER, DIG_B, "1", ",\"urls\":[\"https://x.example/\"]") "]")));
    CU_ASSERT_FALSE(
        layer_may_be_missing(IMAGE(CONFIG, "[" DX(OCI_LAYER, DIG_B, "1", ",\"urls\":[]") "]")));
    CU_ASSERT_FALSE(
        layer_may_be_missing(IMAGE(CONFIG, "[" DX(OCI_LAYER, DIG_B, "1", ",\"urls\":null") "]")));
}

static void test_extras(void)
{
    parse(IMAGE(CONFIG, "[" DX(OCI_LAYER, DIG_B, "2",
                               ",\"data\":\"e30=\",\"annotations\":{\"a\":\"b\"},"
                               "\"artifactType\":\"a/b\",\"platform\":{\"os\":\"linux\"},"
                               "\"org.example\":[1,{}]") "]"));
    parse(IMAGE_WITH(",\"org.example.custom\":{\"x\":[null,true,1.5e300]}"));
    parse(IMAGE_WITH(",\"annotations\":null,\"subject\":null,\"artifactType\":null"));
}

static void test_descriptors_refused(void)
{
#define LAYERS(text) IMAGE(CONFIG, "[" LAYER "," text "]")
    check_refused(IMAGE("null", "[]"), "", "config is missing");
    check_refused(IMAGE("[]", "[]"), "", "config must be a descriptor");
    check_refused(IMAGE("{}", "[]"), "", "config.mediaType");
    check_refused(IMAGE(CONFIG, "{}"), "", "layers must be a list");
    check_refused(TYPED(OCI_IMAGE, "\"config\":" CONFIG), "", "layers is missing");
    check_refused(INDEX("\"\""), "", "manifests must be a list");
    check_refused(LAYERS("1"), "", "layers[1] must be a descriptor");
    check_refused(LAYERS("null"), "", "layers[1] must be a descriptor");
    check_refused(LAYERS("{\"digest\":\"" DIG_C "\",\"size\":1}"), "", "layers[1].mediaType");
    check_refused(LAYERS(D("", DIG_C, "1")), "", "layers[1].mediaType");
    check_refused(LAYERS("{\"mediaType\":\"a/b\",\"size\":1}"), "", "layers[1].digest");
    check_refused(LAYERS("{\"mediaType\":\"a/b\",\"digest\":7,\"size\":1}"), "",
                  "layers[1].digest");
    check_refused(LAYERS(D("a/b", "sha256:abc", "1")), "", "layers[1].digest");
    check_refused(LAYERS(D("a/b", "sha256:" HEX_A HEX_B, "1")), "", "layers[1].digest");
    check_refused(LAYERS(D("a/b", "md5:00112233", "1")), "", "layers[1].digest");
    check_refused(LAYERS(D("a/b", HEX_A, "1")), "", "layers[1].digest");
    check_refused(LAYERS("{\"mediaType\":\"a/b\",\"digest\":\"" DIG_C "\"}"), "", "layers[1].size");
    check_refused(LAYERS(D("a/b", DIG_C, "-1")), "", "layers[1].size");
    check_refused(LAYERS(D("a/b", DIG_C, "1.0")), "", "layers[1].size");
    check_refused(LAYERS(D("a/b", DIG_C, "1e3")), "", "layers[1].size");
    check_refused(LAYERS(D("a/b", DIG_C, "\"1\"")), "", "layers[1].size");
    check_refused(LAYERS(D("a/b", DIG_C, "9223372036854775808")), "", "layers[1].size");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"urls\":\"x\"")), "", "layers[1].urls");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"urls\":[1]")), "", "layers[1].urls");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"data\":{}")), "", "layers[1].data");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"platform\":[]")), "", "layers[1].platform");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"annotations\":{\"a\":1}")), "",
                  "layers[1].annotations");
    check_refused(LAYERS(DX("a/b", DIG_C, "1", ",\"artifactType\":1")), "",
                  "layers[1].artifactType");
    check_refused(LAYERS(D(OCI_LAYER, DIG_B, "21")), "", "disagree on its size");
    check_refused(IMAGE(CONFIG, "[" D(OCI_LAYER, DIG_A, "11") "]"), "", "disagree on its size");
#undef LAYERS
}

static void test_descriptor_limit(void)
{
#define SEVEN LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER
    CU_ASSERT_EQUAL(parse(IMAGE(CONFIG, "[" SEVEN "]"))->descriptors_n, 8);
    check_refused(IMAGE(CONFIG, "[" SEVEN "," LAYER "]"), "", "more than 8 descriptors");
    CU_ASSERT_EQUAL(parse(INDEX("[" SEVEN "," LAYER "]"))->descriptors_n, 8);
    check_refused(INDEX("[" SEVEN "," LAYER "," LAYER "]"), "", "more than 8 descriptors");
#undef SEVEN
}

static void test_media_type_limit(void)
{
    char body[1024], type[300];

    memset(type, 'a', sizeof(type));
    for (int n = 255; n <= 256; n++) {
        snprintf(body, sizeof(body),
                 "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%.*s\",\"digest\":\"" DIG_A
                 "\",\"size\":1},\"layers\":[]}",
                 n, type);
        if (n == 255) {
            CU_ASSERT_EQUAL(parse(body)->descriptors_n, 1);
        } else {
            check_refused(body, "", "config.mediaType");
        }
    }
}

/* --- Subject, artifact type, annotations ------------------------------------------------------ */

static void test_subject(void)
{
    const struct manifest *m =
        parse(IMAGE_WITH(",\"subject\":" D(OCI_IMAGE, DIG_C, "123") ",\"artifactType\":\"x/y\""));

    CU_ASSERT_TRUE(m->has_subject);
    CU_ASSERT_STRING_EQUAL(m->subject.field, "subject");
    CU_ASSERT_TRUE(m->subject.is_manifest);
    CU_ASSERT_EQUAL(m->subject.size, 123);
    CU_ASSERT_EQUAL(m->subject.digest.raw[0], 0xcc);
    CU_ASSERT_EQUAL(m->descriptors_n, 2);
    CU_ASSERT_TRUE(slice_eq(m->artifact_type, SLICE("x/y")));

    m = parse(INDEX_WITH(",\"subject\":" D(OCI_IMAGE, DIG_C, "123")));
    CU_ASSERT_TRUE(m->has_subject);
    CU_ASSERT_EQUAL(m->artifact_type.n, 0);
    m = parse(IMAGE_WITH(",\"artifactType\":\"\""));
    CU_ASSERT_TRUE(slice_eq(m->artifact_type, SLICE(OCI_CONFIG)));
    m = parse(INDEX_WITH(",\"artifactType\":\"x/y\""));
    CU_ASSERT_TRUE(slice_eq(m->artifact_type, SLICE("x/y")));
    m = parse(ARTIFACT("\"artifactType\":\"x/y\",\"subject\":" D(OCI_IMAGE, DIG_C, "123")));
    CU_ASSERT_TRUE(m->has_subject);

    check_refused(IMAGE_WITH(",\"subject\":7"), "", "subject must be a descriptor");
    check_refused(IMAGE_WITH(",\"subject\":{}"), "", "subject.mediaType");
    check_refused(IMAGE_WITH(",\"subject\":" D(OCI_IMAGE, "sha256:0", "1")), "", "subject.digest");
    check_refused(IMAGE_WITH(",\"artifactType\":[]"), "", "artifactType must be");
    check_refused(ARTIFACT("\"blobs\":[]"), "", "artifactType is missing");
}

static void test_annotations(void)
{
#define VALUE60 "012345678901234567890123456789012345678901234567890123456789"
#define SUBJECT ",\"subject\":" D(OCI_IMAGE, DIG_C, "1")
    const struct manifest *m = parse(IMAGE_WITH(",\"annotations\": { \"a\" : \"b\\u00e9\" } "));

    CU_ASSERT_TRUE(slice_eq(m->annotations, SLICE("{ \"a\" : \"b\\u00e9\" }")));
    CU_ASSERT_TRUE(slice_eq(parse(IMAGE_WITH(",\"annotations\":{}"))->annotations, SLICE("{}")));
    /* They are limited only where they stand in answers. */
    parse(IMAGE_WITH(",\"annotations\":{\"a\":\"" VALUE60 "\"}"));
    check_refused(IMAGE_WITH(",\"annotations\":{\"a\":\"" VALUE60 "\"}" SUBJECT), "",
                  "annotations have 68 bytes");
    parse(IMAGE_WITH(",\"annotations\":{\"a\":\"b\"}" SUBJECT));
    check_refused(IMAGE_WITH(",\"annotations\":[]"), "", "annotations must be");
    check_refused(IMAGE_WITH(",\"annotations\":{\"a\":null}"), "", "annotations must be");
#undef SUBJECT
#undef VALUE60
}

/* --- Memory ---------------------------------------------------------------------------------- */

static void test_no_memory(void)
{
    static const char body[] = IMAGE_WITH(",\"annotations\":{\"a\":\"b\"}");
    bool ended = false;

    for (size_t max = 0; max < 65536 && !ended; max += 64) {
        struct arena small;
        struct manifest *manifest;
        struct fault fault = FAULT_INIT;
        int err;

        arena_init(&small, max);
        err = manifest_parse(&small, slice_from_cstr(body), SLICE(""), &limits, &manifest, &fault);
        ended = err == 0;
        CU_ASSERT_TRUE(err == 0 || err == ERR_NO_MEMORY);
        CU_ASSERT_EQUAL(manifest != NULL, err == 0);
        arena_fini(&small);
    }
    CU_ASSERT_TRUE(ended);
}

static void test_large(void)
{
    /* As many annotations as fit 4 MiB, short ones: the number of values is limited. */
    size_t size = 4u << 20, n = 0;
    char *body = xmalloc(size);
    struct manifest *manifest;
    int err;

    n += (size_t)snprintf(body, size, "{\"schemaVersion\":2,\"manifests\":[],\"x\":[");
    while (n < size - 16)
        n += (size_t)snprintf(body + n, size - n, "1,");
    n += (size_t)snprintf(body + n, size - n, "1]}");
    arena_reset(&arena);
    err = manifest_parse(&arena, slice_make(body, n), SLICE(""), &limits, &manifest, NULL);
    CU_ASSERT_EQUAL(err, ERR_MANIFEST_INVALID);

    /* A few long ones are fine. */
    n = (size_t)snprintf(body, size, "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{");
    for (int i = 0; i < 390; i++) {
        n += (size_t)snprintf(body + n, size - n, "%s\"large-annotation-%d\":\"", i ? "," : "", i);
        memset(body + n, 'A', 10000);
        n += 10000;
        body[n++] = '"';
    }
    n += (size_t)snprintf(body + n, size - n, "}}");
    arena_reset(&arena);
    err = manifest_parse(&arena, slice_make(body, n), SLICE(OCI_INDEX), &limits, &manifest, NULL);
    CU_ASSERT_EQUAL(err, 0);
    free(body);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("manifest", set_up, tear_down);

    CU_add_test(suite, "kinds", test_kinds);
    CU_add_test(suite, "kinds refused", test_kinds_refused);
    CU_add_test(suite, "documents refused", test_documents_refused);
    CU_add_test(suite, "image", test_image);
    CU_add_test(suite, "index and artifact", test_index);
    CU_add_test(suite, "may be missing", test_may_be_missing);
    CU_add_test(suite, "optional and unknown fields", test_extras);
    CU_add_test(suite, "descriptors refused", test_descriptors_refused);
    CU_add_test(suite, "number of descriptors", test_descriptor_limit);
    CU_add_test(suite, "length of media types", test_media_type_limit);
    CU_add_test(suite, "subject and artifact type", test_subject);
    CU_add_test(suite, "annotations", test_annotations);
    CU_add_test(suite, "no memory", test_no_memory);
    CU_add_test(suite, "large documents", test_large);
}
