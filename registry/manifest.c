/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: three steps over the JSON tree. decide_kind makes one kind of what Content-Type,
 * mediaType and the fields say, and refuses when they disagree: a manifest that two clients could
 * read as two kinds is how CVE-2021-41190 worked. Then the fields that kind has are read, each
 * value checked for its type; fields we do not know are the client's own and stay. Last,
 * descriptors of one digest are compared, because what they name has one size.
 *
 * Where encoders of other languages write null for an empty list or an absent object, null is taken
 * as that.
 *
 * Everything read here lives in the caller's arena; the depth, number of values and descriptors are
 * limited, so an attacker's document costs no more than its length suggests.
 */
#include "config.h"
#include "registry/manifest.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

#define MEDIA_TYPE_MAX 255 /* RFC 6838 section 4.2 */
#define QUOTE_MAX      64  /* bytes of a refused text that are quoted */

/* JSON values of a manifest beside its descriptors: annotations, mostly. */
#define VALUES_BASE           65536
#define VALUES_PER_DESCRIPTOR 64

static const struct {
    const char *media_type;
    bool has_schema_version; /* which must be 2 */
    bool is_index;
} kinds[] = {
    [MANIFEST_OCI_IMAGE] = {"application/vnd.oci.image.manifest.v1+json", true, false},
    [MANIFEST_OCI_INDEX] = {"application/vnd.oci.image.index.v1+json", true, true},
    [MANIFEST_OCI_ARTIFACT] = {"application/vnd.oci.artifact.manifest.v1+json", false, false},
    [MANIFEST_DOCKER_IMAGE] = {"application/vnd.docker.distribution.manifest.v2+json", true, false},
    [MANIFEST_DOCKER_LIST] = {"application/vnd.docker.distribution.manifest.list.v2+json", true,
                              true},
};

/* Types of layers that registries need not have: clients fetch them from elsewhere. */
static const struct slice foreign_types[] = {
    {"application/vnd.oci.image.layer.nondistributable.", 49},
    {"application/vnd.docker.image.rootfs.foreign.", 44},
};

struct parser {
    struct arena *arena;
    const struct manifest_limits *limits;
    const struct json *root;
    struct manifest *manifest;
    unsigned descriptors_max; /* room in manifest->descriptors */
    struct fault *fault;
};

const char *manifest_kind_media_type(enum manifest_kind kind)
{
    return kinds[kind].media_type;
}

static bool find_kind(struct slice media_type, enum manifest_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (slice_eq_nocase(media_type, slice_from_cstr(kinds[i].media_type))) {
            *kind = (enum manifest_kind)i;
            return true;
        }
    }
    return false;
}

static int invalid(struct parser *p, const char *where, const char *why)
{
    return fault_set(p->fault, ERR_MANIFEST_INVALID, "%s %s", where, why);
}

/* A member that is there and not null. */
static const struct json *member(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, slice_from_cstr(name));

    return value != NULL && value->type != JSON_NULL ? value : NULL;
}

/*
 * The kind.
 */

static int refuse_media_type(struct parser *p, const char *where, struct slice media_type)
{
    if (slice_eq_nocase(media_type,
                        SLICE("application/vnd.docker.distribution.manifest.v1+json")) ||
        slice_eq_nocase(media_type,
                        SLICE("application/vnd.docker.distribution.manifest.v1+prettyjws")))
        return invalid(p, where,
                       "is Docker image manifest schema 1, which is obsolete and not taken: push "
                       "again with Docker 1.10 or newer, or convert the image with skopeo copy");
    return fault_set(p->fault, ERR_MANIFEST_INVALID,
                     "%s \"" SLICE_FMT "\" is no manifest's; known are %s, %s, %s, %s, %s", where,
                     SLICE_ARG(slice_sub(media_type, 0, QUOTE_MAX)), kinds[0].media_type,
                     kinds[1].media_type, kinds[2].media_type, kinds[3].media_type,
                     kinds[4].media_type);
}

/* What neither a Content-Type nor a mediaType names. */
static int infer_kind(struct parser *p, enum manifest_kind *kind)
{
    const struct json *version = member(p->root, "schemaVersion");

    if (version != NULL && version->type == JSON_INTEGER && version->integer == 1)
        return invalid(p, "schemaVersion",
                       "is 1: Docker image manifest schema 1 is obsolete and not taken; push again "
                       "with Docker 1.10 or newer");
    if (json_member(p->root, SLICE("manifests")) != NULL) {
        *kind = MANIFEST_OCI_INDEX;
        return 0;
    }
    if (json_member(p->root, SLICE("layers")) != NULL ||
        json_member(p->root, SLICE("config")) != NULL) {
        *kind = MANIFEST_OCI_IMAGE;
        return 0;
    }
    return invalid(p, "the document",
                   "has neither mediaType nor config, layers or manifests: it is no manifest");
}

static int decide_kind(struct parser *p, struct slice content_type, enum manifest_kind *kind)
{
    const struct json *body_type = member(p->root, "mediaType");
    struct slice header =
        slice_trim(slice_sub(content_type, 0, slice_find_char(content_type, ';')));
    enum manifest_kind named;
    bool has_header = header.n > 0 && !slice_eq_nocase(header, SLICE("application/json"));

    if (has_header && !find_kind(header, kind))
        return refuse_media_type(p, "the Content-Type", header);
    if (body_type != NULL && body_type->type != JSON_STRING)
        return invalid(p, "mediaType", "must be a string");
    if (body_type == NULL || body_type->text.n == 0)
        return has_header ? 0 : infer_kind(p, kind);
    if (!find_kind(body_type->text, &named))
        return refuse_media_type(p, "mediaType", body_type->text);
    if (has_header && named != *kind)
        return fault_set(p->fault, ERR_MANIFEST_INVALID,
                         "the Content-Type says %s, the mediaType in the body %s; they must agree",
                         kinds[*kind].media_type, kinds[named].media_type);
    *kind = named;
    return 0;
}

/* Fields that make the document look like another kind to somebody else. */
static int refuse_ambiguous(struct parser *p)
{
    static const char *const of_images[] = {"config", "layers", "fsLayers"};
    static const char *const of_lists[] = {"manifests"};
    bool is_index = kinds[p->manifest->kind].is_index;
    const char *const *names = is_index ? of_images : of_lists;
    size_t n = is_index ? ARRAY_LENGTH(of_images) : ARRAY_LENGTH(of_lists);

    for (size_t i = 0; i < n; i++)
        if (json_member(p->root, slice_from_cstr(names[i])) != NULL)
            return fault_set(p->fault, ERR_MANIFEST_INVALID,
                             "an %s must not have %s: it could be taken for another kind",
                             is_index ? "index" : "image or artifact manifest", names[i]);
    return 0;
}

static int check_schema_version(struct parser *p)
{
    const struct json *version = member(p->root, "schemaVersion");

    if (version == NULL && !kinds[p->manifest->kind].has_schema_version)
        return 0;
    if (version == NULL || version->type != JSON_INTEGER || version->integer != 2)
        return invalid(p, "schemaVersion", "must be 2");
    return 0;
}

/*
 * Descriptors.
 */

/* "layers[3].size must ..." */
static int bad_field(struct parser *p, const struct descriptor *d, const char *name,
                     const char *why)
{
    if (slice_eq(slice_from_cstr(d->field), SLICE("config")) ||
        slice_eq(slice_from_cstr(d->field), SLICE("subject")))
        return fault_set(p->fault, ERR_MANIFEST_INVALID, "%s%s %s", d->field, name, why);
    return fault_set(p->fault, ERR_MANIFEST_INVALID, "%s[%u]%s %s", d->field, d->index, name, why);
}

static bool is_string_map(const struct json *value)
{
    if (value->type != JSON_OBJECT)
        return false;
    for (const struct json *v = value->first; v != NULL; v = v->next)
        if (v->type != JSON_STRING)
            return false;
    return true;
}

/* The optional fields; only `urls` means something to a registry. */
static int read_extras(struct parser *p, const struct json *object, struct descriptor *d)
{
    static const struct {
        const char *name, *dotted;
        enum json_type type;
        const char *why;
    } typed[] = {
        {"data", ".data", JSON_STRING, "must be a string of base64"},
        {"artifactType", ".artifactType", JSON_STRING, "must be a string"},
        {"platform", ".platform", JSON_OBJECT, "must be an object"},
        {"urls", ".urls", JSON_ARRAY, "must be a list of strings"},
    };
    const struct json *value;

    for (size_t i = 0; i < ARRAY_LENGTH(typed); i++) {
        value = member(object, typed[i].name);
        if (value != NULL && value->type != typed[i].type)
            return bad_field(p, d, typed[i].dotted, typed[i].why);
    }
    value = member(object, "annotations");
    if (value != NULL && !is_string_map(value))
        return bad_field(p, d, ".annotations", "must be an object of strings");
    value = member(object, "urls");
    for (const struct json *url = value != NULL ? value->first : NULL; url != NULL; url = url->next)
        if (url->type != JSON_STRING)
            return bad_field(p, d, ".urls", "must be a list of strings");
    d->may_be_missing = value != NULL && value->count > 0;
    for (size_t i = 0; i < ARRAY_LENGTH(foreign_types); i++)
        d->may_be_missing |= slice_starts_with(d->media_type, foreign_types[i]);
    return 0;
}

static int read_descriptor(struct parser *p, const struct json *object, struct descriptor *d)
{
    struct fault why = FAULT_INIT;
    const struct json *type = member(object, "mediaType");
    const struct json *digest = member(object, "digest");
    const struct json *size = member(object, "size");

    if (object->type != JSON_OBJECT)
        return bad_field(p, d, "", "must be a descriptor: an object");
    if (type == NULL || type->type != JSON_STRING || type->text.n == 0 ||
        type->text.n > MEDIA_TYPE_MAX)
        return bad_field(p, d, ".mediaType", "must be a media type of 1 to 255 characters");
    if (digest == NULL || digest->type != JSON_STRING)
        return bad_field(p, d, ".digest", "must be a digest like sha256:<64 hex digits>");
    if (digest_parse(digest->text, &d->digest, &why) != 0)
        return bad_field(p, d, ".digest is not valid:", fault_text(&why, why.code));
    if (size == NULL || size->type != JSON_INTEGER || size->integer < 0)
        return bad_field(p, d, ".size", "must be a whole number of bytes, not negative");
    d->media_type = type->text;
    d->size = (uint64_t)size->integer;
    return read_extras(p, object, d);
}

static int add_descriptor(struct parser *p, const struct json *object, const char *field,
                          unsigned index)
{
    struct manifest *m = p->manifest;
    struct descriptor *d = &m->descriptors[m->descriptors_n];
    enum manifest_kind kind;

    if (m->descriptors_n == p->descriptors_max)
        return fault_set(p->fault, ERR_MANIFEST_INVALID,
                         "the manifest has more than %u descriptors (manifests.max_descriptors)",
                         p->limits->max_descriptors);
    d->field = field;
    d->index = index;
    int err = read_descriptor(p, object, d);
    if (err != 0)
        return err;
    d->is_manifest = kinds[m->kind].is_index && find_kind(d->media_type, &kind);
    m->descriptors_n++;
    return 0;
}

/* A list of descriptors; null counts as an empty one. */
static int add_list(struct parser *p, const char *field, bool required)
{
    const struct json *list = json_member(p->root, slice_from_cstr(field));
    unsigned index = 0;
    int err = 0;

    if (list == NULL)
        return required ? invalid(p, field, "is missing") : 0;
    if (list->type == JSON_NULL)
        return 0;
    if (list->type != JSON_ARRAY)
        return invalid(p, field, "must be a list of descriptors");
    for (const struct json *d = list->first; d != NULL && err == 0; d = d->next)
        err = add_descriptor(p, d, field, index++);
    return err;
}

static int add_config(struct parser *p)
{
    const struct json *config = member(p->root, "config");

    if (config == NULL)
        return invalid(p, "config", "is missing");
    return add_descriptor(p, config, "config", 0);
}

static unsigned count_list(const struct json *root, const char *field)
{
    const struct json *list = json_member(root, slice_from_cstr(field));

    return list != NULL && list->type == JSON_ARRAY ? list->count : 0;
}

static int read_descriptors(struct parser *p)
{
    uint64_t count = 1 + (uint64_t)count_list(p->root, "layers") +
                     count_list(p->root, "manifests") + count_list(p->root, "blobs");

    p->descriptors_max =
        count < p->limits->max_descriptors ? (unsigned)count : p->limits->max_descriptors;
    /* One more, so that the first one too many has a place to stand while it is refused. */
    p->manifest->descriptors =
        arena_alloc(p->arena, ((size_t)p->descriptors_max + 1) * sizeof(struct descriptor));
    if (p->manifest->descriptors == NULL)
        return fault_set(p->fault, ERR_NO_MEMORY, "no memory for the manifest's descriptors");
    if (kinds[p->manifest->kind].is_index)
        return add_list(p, "manifests", true);
    if (p->manifest->kind == MANIFEST_OCI_ARTIFACT)
        return add_list(p, "blobs", false);
    int err = add_config(p);
    return err != 0 ? err : add_list(p, "layers", true);
}

static int compare_digests(const void *a, const void *b)
{
    const struct descriptor *x = *(const struct descriptor *const *)a;
    const struct descriptor *y = *(const struct descriptor *const *)b;

    if (x->digest.algorithm != y->digest.algorithm)
        return x->digest.algorithm < y->digest.algorithm ? -1 : 1;
    return memcmp(x->digest.raw, y->digest.raw, digest_size(x->digest.algorithm));
}

/* n log n, whatever a client sends. */
static int check_sizes(struct parser *p)
{
    const struct manifest *m = p->manifest;
    char text[DIGEST_TEXT_MAX];
    const struct descriptor **sorted;

    if (m->descriptors_n < 2)
        return 0;
    sorted = arena_alloc(p->arena, m->descriptors_n * sizeof(*sorted));
    if (sorted == NULL)
        return fault_set(p->fault, ERR_NO_MEMORY, "no memory for the manifest's descriptors");
    for (unsigned i = 0; i < m->descriptors_n; i++)
        sorted[i] = &m->descriptors[i];
    qsort(sorted, m->descriptors_n, sizeof(*sorted), compare_digests);
    for (unsigned i = 1; i < m->descriptors_n; i++)
        if (compare_digests(&sorted[i - 1], &sorted[i]) == 0 &&
            sorted[i - 1]->size != sorted[i]->size)
            return fault_set(p->fault, ERR_MANIFEST_INVALID,
                             "two descriptors of " SLICE_FMT " disagree on its size",
                             SLICE_ARG(digest_format(&sorted[i]->digest, text)));
    return 0;
}

/*
 * What the referrers answer needs.
 */

static int read_subject(struct parser *p)
{
    const struct json *subject = member(p->root, "subject");
    struct descriptor *d = &p->manifest->subject;

    if (subject == NULL)
        return 0;
    d->field = "subject";
    d->is_manifest = true;
    p->manifest->has_subject = true;
    return read_descriptor(p, subject, d);
}

static int read_artifact_type(struct parser *p)
{
    const struct json *type = member(p->root, "artifactType");
    struct manifest *m = p->manifest;

    if (type != NULL && (type->type != JSON_STRING || type->text.n > MEDIA_TYPE_MAX))
        return invalid(p, "artifactType", "must be a media type of at most 255 characters");
    if (type != NULL)
        m->artifact_type = type->text;
    if (m->artifact_type.n > 0 || kinds[m->kind].is_index)
        return 0;
    if (m->kind == MANIFEST_OCI_ARTIFACT)
        return invalid(p, "artifactType", "is missing: an artifact manifest must have one");
    m->artifact_type = m->descriptors[0].media_type; /* config */
    return 0;
}

static int read_annotations(struct parser *p, struct slice body)
{
    const struct json *annotations = member(p->root, "annotations");

    if (annotations == NULL)
        return 0;
    if (!is_string_map(annotations))
        return invalid(p, "annotations", "must be an object of strings");
    p->manifest->annotations =
        slice_sub(body, annotations->begin, annotations->end - annotations->begin);
    if (p->manifest->has_subject && p->manifest->annotations.n > p->limits->max_annotation_bytes)
        return fault_set(p->fault, ERR_MANIFEST_INVALID,
                         "annotations have %zu bytes; with a subject %u are allowed, because they "
                         "stand in the list of referrers",
                         p->manifest->annotations.n, p->limits->max_annotation_bytes);
    return 0;
}

static int parse_json(struct parser *p, struct slice body)
{
    const struct json_limits limits = {
        .max_depth = p->limits->max_depth,
        .max_values = VALUES_BASE + VALUES_PER_DESCRIPTOR * p->limits->max_descriptors,
    };
    struct fault why = FAULT_INIT;
    struct json *root;

    int err = json_parse(p->arena, body, &limits, &root, &why);
    if (err != 0)
        return fault_set(p->fault, err == ERR_NO_MEMORY ? err : ERR_MANIFEST_INVALID, "%s",
                         fault_text(&why, err));
    if (root->type != JSON_OBJECT)
        return invalid(p, "the document", "must be a JSON object");
    p->root = root;
    return 0;
}

int manifest_parse(struct arena *arena, struct slice body, struct slice content_type,
                   const struct manifest_limits *limits, struct manifest **manifest,
                   struct fault *fault)
{
    struct parser p = {.arena = arena, .limits = limits, .fault = fault};

    *manifest = NULL;
    p.manifest = arena_alloc(arena, sizeof(*p.manifest));
    if (p.manifest == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the manifest");
    int err = parse_json(&p, body);
    if (err == 0)
        err = decide_kind(&p, content_type, &p.manifest->kind);
    if (err != 0)
        return err;
    p.manifest->media_type = slice_from_cstr(kinds[p.manifest->kind].media_type);
    err = refuse_ambiguous(&p);
    if (err == 0)
        err = check_schema_version(&p);
    if (err == 0)
        err = read_descriptors(&p);
    if (err == 0)
        err = check_sizes(&p);
    if (err == 0)
        err = read_subject(&p);
    if (err == 0)
        err = read_artifact_type(&p);
    if (err == 0)
        err = read_annotations(&p, body);
    if (err == 0)
        *manifest = p.manifest;
    return err;
}
