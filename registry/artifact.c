/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a name is decided once, when a manifest is read: the title when it is allowed and the
 * first of its kind, else "layer-<index>" (with ".1", ".2" behind it where some title says just
 * that). So every layer has exactly one name, and what is listed can be fetched.
 *
 * Adding works on the JSON tree and not on what we understand of it: annotations, subject and
 * fields we do not know stay, in their order. Only the list of layers is written anew.
 */
#include "config.h"
#include "registry/artifact.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "registry/manifest.h"

#include <stdlib.h>

#define MEDIA_TYPE_NAME_MAX 127 /* RFC 6838 section 4.2 */

/* JSON values of a manifest beside its descriptors, and of each of those: what manifest_parse
 * takes, this must read. */
#define VALUES_BASE           65536
#define VALUES_PER_DESCRIPTOR 64

#define TITLE                 "org.opencontainers.image.title"

static const char empty_config[] =
    "{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:"
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2,"
    "\"data\":\"e30=\"}";

/*
 * Names of files.
 */

/* C0, DEL, and C1 in their UTF-8 form. */
static bool is_control(struct slice character)
{
    unsigned char first = (unsigned char)character.p[0];

    if (character.n == 2 && first == 0xc2)
        return (unsigned char)character.p[1] < 0xa0;
    return first < 0x20 || first == 0x7f;
}

static int check_characters(struct slice path, struct fault *fault)
{
    size_t n;

    for (size_t at = 0; at < path.n; at += n) {
        struct slice rest = slice_sub(path, at, SIZE_MAX);
        if (!utf8_next(rest, &n))
            return fault_set(fault, ERR_FILE_PATH_INVALID,
                             "the name of a file must be UTF-8; byte %zu is not", at + 1);
        if (is_control(slice_sub(rest, 0, n)))
            return fault_set(fault, ERR_FILE_PATH_INVALID,
                             "the name of a file must not have control characters; byte %zu is one",
                             at + 1);
    }
    return 0;
}

int file_path_check(struct slice path, size_t max_bytes, struct fault *fault)
{
    struct slice segment;

    if (path.n == 0)
        return fault_set(fault, ERR_FILE_PATH_INVALID, "the name of the file is missing");
    if (path.n > max_bytes)
        return fault_set(fault, ERR_FILE_PATH_INVALID,
                         "the name of the file has %zu bytes, more than files.max_path, %zu",
                         path.n, max_bytes);
    int err = check_characters(path, fault);
    if (err != 0)
        return err;
    for (size_t at = 0; at <= path.n; at += segment.n + 1) {
        segment = slice_sub(path, at, SIZE_MAX);
        segment = slice_sub(segment, 0, slice_find_char(segment, '/'));
        if (segment.n == 0)
            return fault_set(fault, ERR_FILE_PATH_INVALID,
                             "the name of a file must not begin or end with '/' or have '//'");
        if (slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")))
            return fault_set(fault, ERR_FILE_PATH_INVALID,
                             "\".\" and \"..\" are no names of files or folders");
    }
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int file_path_decode(struct arena *arena, struct slice text, size_t max_bytes, struct slice *path,
                     struct fault *fault)
{
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;

    *path = slice_make(NULL, 0);
    if (out == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the name of the file");
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = text.n - i > 2 ? hex_value(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.p[i + 2]) : -1;
            if (low < 0)
                return fault_set(fault, ERR_FILE_PATH_INVALID,
                                 "a '%%' in the path must be followed by two hex digits; a percent "
                                 "sign itself is %%25");
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    *path = slice_make(out, n);
    return file_path_check(*path, max_bytes, fault);
}

void file_path_encode(struct buf *out, struct slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~/", c) != NULL);
        if (is_plain)
            buf_add_char(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/*
 * Media types.
 */

/* RFC 6838 section 4.2: restricted-name. */
static bool is_restricted_name(struct slice name)
{
    if (name.n == 0 || name.n > MEDIA_TYPE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_first = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_first && (i == 0 || c == '\0' || strchr("!#$&-^_.+", c) == NULL))
            return false;
    }
    return true;
}

static bool means_something_else(struct slice type)
{
    static const char *const others[] = {
        "application/x-www-form-urlencoded", /* what curl --data-binary says of everything */
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.empty.v1+json",
    };

    for (int kind = MANIFEST_OCI_IMAGE; kind <= MANIFEST_DOCKER_LIST; kind++)
        if (slice_eq(type, slice_from_cstr(manifest_kind_media_type((enum manifest_kind)kind))))
            return true;
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        if (slice_eq(type, slice_from_cstr(others[i])))
            return true;
    /* Such layers are thought to be elsewhere. */
    return slice_starts_with(type, SLICE("application/vnd.oci.image.layer.nondistributable.")) ||
           slice_starts_with(type, SLICE("application/vnd.docker.image.rootfs.foreign."));
}

struct slice file_media_type(struct arena *arena, struct slice text)
{
    struct slice type = slice_trim(slice_sub(text, 0, slice_find_char(text, ';')));
    size_t slash = slice_find_char(type, '/');
    char *lower = arena_alloc(arena, type.n + 1);

    if (lower == NULL)
        return SLICE("");
    for (size_t i = 0; i < type.n; i++)
        lower[i] = type.p[i] >= 'A' && type.p[i] <= 'Z' ? (char)(type.p[i] + 32) : type.p[i];
    type = slice_make(lower, type.n);
    if (!is_restricted_name(slice_sub(type, 0, slash)) ||
        !is_restricted_name(slice_sub(type, slash + 1, SIZE_MAX)) || means_something_else(type))
        return SLICE("");
    return type;
}

/*
 * Reading.
 */

/* What names are made of, to be sorted. */
struct title {
    struct slice text;
    unsigned index;
};

struct reading {
    struct arena *arena;
    const struct artifact_limits *limits;
    struct artifact *artifact;
    struct title *titles; /* by text, then index */
    unsigned titles_n;
    struct fault *fault;
};

static bool is_type(const struct artifact *artifact, enum manifest_kind kind)
{
    return slice_eq_nocase(artifact->media_type, slice_from_cstr(manifest_kind_media_type(kind)));
}

static int no_memory(struct fault *fault)
{
    return fault_set(fault, ERR_NO_MEMORY, "no memory for the list of files");
}

static int compare_titles(const void *a, const void *b)
{
    const struct title *x = a, *y = b;
    int order = slice_cmp(x->text, y->text);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static struct slice text_of(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, slice_from_cstr(name));

    return value != NULL && value->type == JSON_STRING ? value->text : slice_make(NULL, 0);
}

static int read_layer(struct reading *reading, const struct json *layer, unsigned index)
{
    struct artifact_file *file = &reading->artifact->files[index];
    const struct json *size = json_member(layer, SLICE("size"));
    struct slice title = text_of(json_member(layer, SLICE("annotations")), TITLE);

    file->media_type = text_of(layer, "mediaType");
    if (size == NULL || size->type != JSON_INTEGER || size->integer < 0 ||
        digest_parse(text_of(layer, "digest"), &file->digest, NULL) != 0)
        return fault_set(reading->fault, ERR_CORRUPT, "layer %u of the stored manifest is damaged",
                         index);
    file->size = (uint64_t)size->integer;
    if (file_path_check(title, reading->limits->max_path, NULL) == 0)
        reading->titles[reading->titles_n++] = (struct title){title, index};
    return 0;
}

static bool has_title(const struct reading *reading, struct slice text)
{
    unsigned low = 0, high = reading->titles_n;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = slice_cmp(reading->titles[middle].text, text);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Of the layers without a name of their own. A number more is tried for each title that is in the
 * way, so all layers together cost no more steps than there are titles. */
static int name_layer(struct reading *reading, unsigned index)
{
    struct slice name = arena_printf(reading->arena, "layer-%u", index);

    for (unsigned i = 1; name.p != NULL && has_title(reading, name); i++)
        name = arena_printf(reading->arena, "layer-%u.%u", index, i);
    reading->artifact->files[index].path = name;
    return name.p == NULL ? no_memory(reading->fault) : 0;
}

static int name_files(struct reading *reading)
{
    struct artifact *artifact = reading->artifact;
    int err = 0;

    if (reading->titles_n > 0)
        qsort(reading->titles, reading->titles_n, sizeof(struct title), compare_titles);
    for (unsigned i = 0; i < reading->titles_n; i++) {
        const struct title *title = &reading->titles[i];
        if (i == 0 || !slice_eq(title->text, title[-1].text))
            artifact->files[title->index].path = title->text;
    }
    for (unsigned i = 0; i < artifact->files_n && err == 0; i++)
        if (artifact->files[i].path.p == NULL)
            err = name_layer(reading, i);
    return err;
}

static const struct json *list_of(const struct artifact *artifact)
{
    const struct json *list =
        json_member(artifact->root,
                    is_type(artifact, MANIFEST_OCI_ARTIFACT) ? SLICE("blobs") : SLICE("layers"));

    return list != NULL && list->type == JSON_ARRAY ? list : NULL;
}

static int read_layers(struct reading *reading)
{
    struct artifact *artifact = reading->artifact;
    const struct json *list = list_of(artifact);
    unsigned index = 0;
    int err = 0;

    if (list == NULL || list->count == 0)
        return 0;
    artifact->files_n = list->count;
    artifact->files = arena_alloc(reading->arena, list->count * sizeof(*artifact->files));
    reading->titles = arena_alloc(reading->arena, list->count * sizeof(*reading->titles));
    if (artifact->files == NULL || reading->titles == NULL)
        return no_memory(reading->fault);
    for (const struct json *layer = list->first; layer != NULL && err == 0; layer = layer->next)
        err = read_layer(reading, layer, index++);
    return err != 0 ? err : name_files(reading);
}

int artifact_read(struct arena *arena, struct slice body, struct slice media_type,
                  const struct artifact_limits *limits, struct artifact **artifact,
                  struct fault *fault)
{
    const struct json_limits json = {
        .max_depth = limits->max_depth,
        .max_values = VALUES_BASE + VALUES_PER_DESCRIPTOR * limits->max_descriptors,
    };
    struct reading reading = {.arena = arena, .limits = limits, .fault = fault};
    struct json *root;

    *artifact = NULL;
    reading.artifact = arena_alloc(arena, sizeof(*reading.artifact));
    if (reading.artifact == NULL)
        return no_memory(fault);
    int err = json_parse(arena, body, &json, &root, fault);
    if (err != 0 || root->type != JSON_OBJECT)
        return fault_set(fault, err == ERR_NO_MEMORY ? err : ERR_CORRUPT,
                         "the stored manifest cannot be read");
    reading.artifact->root = root;
    reading.artifact->media_type = arena_dup(arena, media_type);
    if (reading.artifact->media_type.p == NULL)
        return no_memory(fault);
    reading.artifact->is_index = is_type(reading.artifact, MANIFEST_OCI_INDEX) ||
                                 is_type(reading.artifact, MANIFEST_DOCKER_LIST);
    if (!reading.artifact->is_index)
        err = read_layers(&reading);
    if (err == 0)
        *artifact = reading.artifact;
    return err;
}

const struct artifact_file *artifact_find(const struct artifact *artifact, struct slice path)
{
    for (unsigned i = 0; i < artifact->files_n; i++)
        if (slice_eq(artifact->files[i].path, path))
            return &artifact->files[i];
    return NULL;
}

/*
 * Adding.
 */

int artifact_check_open(const struct artifact *artifact, struct fault *fault)
{
    static const char *const image_configs[] = {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    };
    struct slice config = text_of(json_member(artifact->root, SLICE("config")), "mediaType");

    if (artifact->is_index)
        return fault_set(fault, ERR_NOT_FILES,
                         "the tag names an index, which has manifests and no files; give the files "
                         "a tag of their own");
    if (!is_type(artifact, MANIFEST_OCI_IMAGE))
        return fault_set(fault, ERR_NOT_FILES,
                         "the tag names a manifest of type " SLICE_FMT
                         ", to which files cannot be added; give them a tag of their own",
                         SLICE_ARG(artifact->media_type));
    for (size_t i = 0; i < ARRAY_LENGTH(image_configs); i++)
        if (slice_eq_nocase(config, slice_from_cstr(image_configs[i])))
            return fault_set(fault, ERR_NOT_FILES,
                             "the tag names a container image; a file more would make it another "
                             "image. Give the files a tag of their own");
    return 0;
}

/* A layer of the manifest to be: one that stays, or a file. */
struct entry {
    struct slice path;
    const struct json *layer;
    const struct artifact_file *file;
};

struct adding {
    struct entry *entries;
    unsigned n;
    struct entry **sorted; /* those of the base, by path */
    unsigned sorted_n;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return slice_cmp(x->path, y->path);
}

static int compare_pointers(const void *a, const void *b)
{
    return compare_entries(*(struct entry *const *)a, *(struct entry *const *)b);
}

static void take_base(struct adding *adding, const struct artifact *base)
{
    const struct json *list = list_of(base);
    const struct json *layer = list != NULL ? list->first : NULL;

    for (; layer != NULL; layer = layer->next, adding->n++) {
        adding->entries[adding->n] =
            (struct entry){.path = base->files[adding->n].path, .layer = layer};
        adding->sorted[adding->n] = &adding->entries[adding->n];
    }
    adding->sorted_n = adding->n;
    if (adding->n > 0)
        qsort(adding->sorted, adding->n, sizeof(*adding->sorted), compare_pointers);
}

static struct entry *find_entry(const struct adding *adding, struct slice path)
{
    struct entry wanted = {.path = path}, *key = &wanted;
    struct entry **found;

    if (adding->sorted_n == 0)
        return NULL;
    found = bsearch(&key, adding->sorted, adding->sorted_n, sizeof(*found), compare_pointers);
    return found != NULL ? *found : NULL;
}

static void add_files(struct adding *adding, const struct artifact_file *files, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct entry *entry = find_entry(adding, files[i].path);
        if (entry == NULL)
            entry = &adding->entries[adding->n++];
        *entry = (struct entry){.path = files[i].path, .file = &files[i]};
    }
}

static void write_file(struct json_writer *w, const struct artifact_file *file)
{
    char digest[DIGEST_TEXT_MAX];

    json_object_begin(w);
    json_name(w, SLICE("mediaType"));
    json_string(w, file->media_type);
    json_name(w, SLICE("digest"));
    json_string(w, digest_format(&file->digest, digest));
    json_name(w, SLICE("size"));
    json_u64(w, file->size);
    json_name(w, SLICE("annotations"));
    json_object_begin(w);
    json_name(w, SLICE(TITLE));
    json_string(w, file->path);
    json_object_end(w);
    json_object_end(w);
}

static void write_layers(struct json_writer *w, const struct adding *adding)
{
    json_array_begin(w);
    for (unsigned i = 0; i < adding->n; i++) {
        if (adding->entries[i].file != NULL)
            write_file(w, adding->entries[i].file);
        else
            json_value(w, adding->entries[i].layer);
    }
    json_array_end(w);
}

static void write_new(struct json_writer *w, const struct adding *adding)
{
    json_name(w, SLICE("schemaVersion"));
    json_u64(w, 2);
    json_name(w, SLICE("mediaType"));
    json_string(w, slice_from_cstr(manifest_kind_media_type(MANIFEST_OCI_IMAGE)));
    json_name(w, SLICE("artifactType"));
    json_string(w, SLICE(ARTIFACT_TYPE_FILES));
    json_name(w, SLICE("config"));
    json_raw(w, slice_from_cstr(empty_config));
    json_name(w, SLICE("layers"));
    write_layers(w, adding);
}

static void write_again(struct json_writer *w, const struct artifact *base,
                        const struct adding *adding)
{
    for (const struct json *member = base->root->first; member != NULL; member = member->next) {
        json_name(w, member->name);
        if (slice_eq(member->name, SLICE("layers")))
            write_layers(w, adding);
        else
            json_value(w, member);
    }
}

int artifact_add(struct arena *arena, const struct artifact *base,
                 const struct artifact_file *files, unsigned n,
                 const struct artifact_limits *limits, struct buf *out, struct fault *fault)
{
    size_t max = (size_t)(base != NULL ? base->files_n : 0) + n;
    struct adding adding = {.n = 0};
    struct json_writer w;
    int err = base != NULL ? artifact_check_open(base, fault) : 0;

    if (err != 0)
        return err;
    adding.entries = arena_alloc(arena, max * sizeof(*adding.entries));
    adding.sorted = arena_alloc(arena, max * sizeof(*adding.sorted));
    if (adding.entries == NULL || adding.sorted == NULL)
        return no_memory(fault);
    if (base != NULL)
        take_base(&adding, base);
    add_files(&adding, files, n);
    if (adding.n >= limits->max_descriptors)
        return fault_set(fault, ERR_LIMIT,
                         "the tag would have %u files; manifests.max_descriptors allows %u",
                         adding.n, limits->max_descriptors - 1);
    if (base == NULL || slice_eq(text_of(base->root, "artifactType"), SLICE(ARTIFACT_TYPE_FILES)))
        qsort(adding.entries, adding.n, sizeof(*adding.entries), compare_entries);
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (base == NULL)
        write_new(&w, &adding);
    else
        write_again(&w, base, &adding);
    json_object_end(&w);
    err = buf_error(out, ERR_MANIFEST_TOO_LARGE);
    if (err == ERR_NO_MEMORY)
        return fault_set(fault, err, "%s", err_text(err));
    if (err != 0)
        return fault_set(fault, err,
                         "with these files the manifest would be larger than manifests.max_size");
    return 0;
}
