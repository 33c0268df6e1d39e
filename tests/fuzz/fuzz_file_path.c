/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is, as a whole, the path of a URL; and, line by line, the titles of a manifest's
 * layers. Names that are taken obey the rules and survive the way into a URL and back; every layer
 * has one name that no other has; what is added is found again.
 */
#include "config.h"
#include "registry/artifact.h"
#include "server/files_accept.h"

#include <stdlib.h>

#define PATH_MAX_BYTES 1024
#define LAYERS_MAX     64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void check_disposition(struct slice path)
{
    struct buf out;
    unsigned quotes = 0;

    buf_init(&out, 8 * PATH_MAX_BYTES);
    file_disposition(&out, path);
    expect(!out.overflow);
    for (size_t i = 0; i < out.n; i++) {
        quotes += out.p[i] == '"';
        expect(out.p[i] >= 0x20 && out.p[i] < 0x7f && out.p[i] != '\\' && out.p[i] != '/');
    }
    expect(quotes == 2);
    buf_fini(&out);
}

static void check_path(struct arena *arena, struct slice path)
{
    struct slice again, rest = path, segment;
    struct buf url;

    expect(path.n > 0 && path.n <= PATH_MAX_BYTES);
    expect(path.p[0] != '/' && path.p[path.n - 1] != '/');
    while (slice_split(&rest, '/', &segment))
        expect(segment.n > 0 && !slice_eq(segment, SLICE(".")) && !slice_eq(segment, SLICE("..")));
    for (size_t i = 0; i < path.n; i++)
        expect((unsigned char)path.p[i] >= 0x20 && path.p[i] != 0x7f);
    buf_init(&url, 3 * PATH_MAX_BYTES);
    file_path_encode(&url, path);
    expect(!url.overflow);
    expect(file_path_decode(arena, buf_slice(&url), PATH_MAX_BYTES, &again, NULL) == 0);
    expect(slice_eq(again, path));
    buf_fini(&url);
    check_disposition(path);
}

static void check_url(struct arena *arena, struct slice input)
{
    struct fault fault = FAULT_INIT;
    struct slice path;
    int err = file_path_decode(arena, input, PATH_MAX_BYTES, &path, &fault);

    if (err == 0)
        check_path(arena, path);
    else
        expect(err == fault.code && fault.text[0] != '\0');
}

static void write_manifest(struct buf *out, struct slice titles)
{
    struct json_writer w;
    struct slice title;

    json_writer_init(&w, out);
    buf_add(out, SLICE("{\"config\":{},\"layers\":"));
    json_array_begin(&w);
    for (unsigned i = 0; i < LAYERS_MAX && slice_split(&titles, '\n', &title); i++) {
        json_object_begin(&w);
        json_name(&w, SLICE("mediaType"));
        json_string(&w, SLICE("a/b"));
        json_name(&w, SLICE("size"));
        json_u64(&w, i);
        json_name(&w, SLICE("digest"));
        json_string(&w, SLICE("sha256:"
                              "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"));
        json_name(&w, SLICE("annotations"));
        json_object_begin(&w);
        json_name(&w, SLICE("org.opencontainers.image.title"));
        json_string(&w, title);
        json_object_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_add_char(out, '}');
}

static const struct artifact_limits limits = {
    .max_depth = 16, .max_descriptors = 2 * LAYERS_MAX, .max_path = PATH_MAX_BYTES};

static struct artifact *read_artifact(struct arena *arena, const struct buf *text)
{
    struct artifact *artifact;

    expect(artifact_read(arena, buf_slice(text),
                         SLICE("application/vnd.oci.image.manifest.v1+json"), &limits, &artifact,
                         NULL) == 0);
    for (unsigned i = 0; i < artifact->files_n; i++) {
        check_path(arena, artifact->files[i].path);
        expect(artifact_find(artifact, artifact->files[i].path) == &artifact->files[i]);
    }
    return artifact;
}

static void check_titles(struct arena *arena, struct slice titles)
{
    const struct artifact_file file = {
        .path = SLICE("layer-0"), .media_type = SLICE("c/d"), .digest.algorithm = DIGEST_SHA256};
    struct buf text, more;

    buf_init(&text, (size_t)4 << 20);
    buf_init(&more, (size_t)4 << 20);
    write_manifest(&text, titles);
    expect(!text.overflow);
    const struct artifact *artifact = read_artifact(arena, &text);
    bool had = artifact_find(artifact, file.path) != NULL;
    expect(artifact_add(arena, artifact, &file, 1, &limits, &more, NULL) == 0);
    const struct artifact *added = read_artifact(arena, &more);
    expect(added->files_n == artifact->files_n + (had ? 0 : 1));
    const struct artifact_file *found = artifact_find(added, file.path);
    expect(found != NULL && slice_eq(found->media_type, file.media_type));
    buf_fini(&text);
    buf_fini(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size ? data : NULL, size);
    struct arena arena;

    if (size > 65536)
        return 0;
    arena_init(&arena, (size_t)64 << 20);
    check_url(&arena, input);
    check_titles(&arena, input);
    accept_prefers_html(input);
    arena_fini(&arena);
    return 0;
}
