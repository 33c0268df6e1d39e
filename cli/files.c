/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/files.h"

#include "cli/client.h"

#include <stdlib.h>

#define TITLE_NAME  "org.opencontainers.image.title"
#define UNPACK_NAME "io.deis.oras.content.unpack"
#define LAYERS_MAX  10000

static int compare(const void *a, const void *b)
{
    return slice_cmp(((const struct file *)a)->title, ((const struct file *)b)->title);
}

int files_sort(struct files *files, struct fault *fault)
{
    qsort(files->list, files->n, sizeof(files->list[0]), compare);
    for (size_t i = 1; i < files->n; i++)
        if (slice_eq(files->list[i - 1].title, files->list[i].title))
            return fault_set(fault, ERR_EXISTS, "two files have the name " SLICE_FMT,
                             SLICE_ARG(slice_sub(files->list[i].title, 0, 200)));
    return 0;
}

static void write_text(struct json_writer *w, const char *name, struct slice text)
{
    json_name(w, slice_from_cstr(name));
    json_string(w, text);
}

static void write_descriptor(struct json_writer *w, struct slice media_type, struct slice digest,
                             uint64_t size)
{
    write_text(w, "mediaType", media_type);
    write_text(w, "digest", digest);
    json_name(w, SLICE("size"));
    json_u64(w, size);
}

void files_write(const struct files *files, struct buf *out)
{
    struct json_writer w;
    char digest[DIGEST_TEXT_MAX];

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, SLICE("schemaVersion"));
    json_u64(&w, 2);
    write_text(&w, "mediaType", SLICE(FILES_MANIFEST_TYPE));
    write_text(&w, "artifactType", SLICE(FILES_ARTIFACT_TYPE));
    json_name(&w, SLICE("config"));
    json_object_begin(&w);
    write_descriptor(&w, SLICE(FILES_EMPTY_TYPE), SLICE(FILES_EMPTY_DIGEST), 2);
    write_text(&w, "data", SLICE("e30=")); /* "{}", as oras and the files API write it */
    json_object_end(&w);
    json_name(&w, SLICE("layers"));
    json_array_begin(&w);
    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->list[i];

        json_object_begin(&w);
        write_descriptor(&w, file->media_type, digest_format(&file->digest, digest), file->size);
        json_name(&w, SLICE("annotations"));
        json_object_begin(&w);
        write_text(&w, TITLE_NAME, file->title);
        json_object_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static int read_layer(const struct json *layer, struct file *file, struct fault *fault)
{
    const struct json *size = json_member(layer, SLICE("size"));
    const struct json *annotations = json_member(layer, SLICE("annotations"));
    struct fault why = FAULT_INIT;

    if (!size || size->type != JSON_INTEGER || size->integer < 0)
        return fault_set(fault, ERR_SYNTAX, "a layer of the manifest has no size");
    if (digest_parse(client_text(layer, "digest"), &file->digest, &why) != 0)
        return fault_set(fault, ERR_SYNTAX,
                         "a layer of the manifest has no digest that we know: %s", why.text);
    file->size = (uint64_t)size->integer;
    file->media_type = client_text(layer, "mediaType");
    file->title = client_text(annotations, TITLE_NAME);
    file->is_packed = slice_eq(client_text(annotations, UNPACK_NAME), SLICE("true"));
    return 0;
}

static int no_files(const struct json *root, struct fault *fault)
{
    struct slice config = client_text(json_member(root, SLICE("config")), "mediaType");

    if (slice_eq(config, SLICE("application/vnd.oci.image.config.v1+json")) ||
        slice_eq(config, SLICE("application/vnd.docker.container.image.v1+json")))
        return fault_set(fault, ERR_NOT_FOUND,
                         "this is a container image, no named files: docker, podman or skopeo pull "
                         "it");
    return fault_set(fault, ERR_NOT_FOUND,
                     "nothing in this artifact has a file name (an annotation " TITLE_NAME ")");
}

int files_read(struct arena *arena, struct slice manifest, struct files *files, struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = 64, .max_values = 500000};
    struct fault why = FAULT_INIT;
    struct json *root;
    const struct json *layers;
    int err = json_parse(arena, manifest, &limits, &root, &why);

    *files = (struct files){0};
    if (err != 0)
        return fault_set(fault, ERR_SYNTAX, "the manifest cannot be read: %s",
                         fault_text(&why, err));
    if (json_member(root, SLICE("manifests")))
        return fault_set(
            fault, ERR_NOT_FOUND,
            "this is an index of manifests, no files: `tidemark show` lists them, pull "
            "one of them by its digest");
    layers = json_member(root, SLICE("layers"));
    if (!layers)
        layers = json_member(root, SLICE("blobs")); /* of the older artifact manifest */
    if (!layers || layers->type != JSON_ARRAY || layers->count > LAYERS_MAX)
        return fault_set(fault, ERR_SYNTAX, "the manifest has no list of layers that we can read");
    files->list = arena_alloc(arena, (layers->count + 1) * sizeof(files->list[0]));
    if (!files->list)
        return fault_set(fault, ERR_NO_MEMORY, "the manifest is too large");
    for (const struct json *layer = layers->first; layer; layer = layer->next) {
        struct file *file = &files->list[files->n];

        err = read_layer(layer, file, fault);
        if (err != 0)
            return err;
        if (file->title.n > 0)
            files->n++;
        else
            files->unnamed++;
    }
    return files->n > 0 ? 0 : no_files(root, fault);
}

void files_write_json(const struct files *files, const char *moved, struct json_writer *w)
{
    char text[DIGEST_TEXT_MAX];

    json_array_begin(w);
    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->list[i];

        json_object_begin(w);
        json_name(w, SLICE("file"));
        json_string(w, file->title);
        json_name(w, SLICE("digest"));
        json_string(w, digest_format(&file->digest, text));
        json_name(w, SLICE("size"));
        json_u64(w, file->size);
        json_name(w, slice_from_cstr(moved));
        json_bool(w, !file->is_present);
        json_object_end(w);
    }
    json_array_end(w);
}
