/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: everything that can be refused is looked at before the first byte of a file is asked for:
 * the manifest's digest, every name, every file that is there already, the space on the disk.
 */
#include "config.h"
#include "cli/verb.h"

#include "cli/client.h"
#include "cli/files.h"
#include "cli/folder.h"
#include "cli/pull.h"
#include "cli/text.h"

#include <sys/statvfs.h>
#include <unistd.h>

#define ARENA_MAX (64 * 1024 * 1024)
#define ACCEPT                                                                                     \
    "Accept: " FILES_MANIFEST_TYPE ", application/vnd.oci.image.index.v1+json, "                   \
    "application/vnd.oci.artifact.manifest.v1+json, "                                              \
    "application/vnd.docker.distribution.manifest.v2+json, "                                       \
    "application/vnd.docker.distribution.manifest.list.v2+json"

struct pull {
    const struct cli_call *call;
    struct client client;
    struct ref ref;
    struct arena arena;
    struct digest digest; /* of the manifest */
    struct files files;
    struct folder folder;
};

/* ---- The manifest -----------------------------------------------------------------------------
 */

/* By digest it must have that digest; by tag, the one that the registry says it has. */
static int check_manifest(struct pull *pull, struct slice manifest, struct fault *fault)
{
    struct slice said = pull->ref.digest;
    struct fault ignored = FAULT_INIT;
    struct digest wanted;

    if (said.n == 0)
        said = fetch_field(pull->client.fetch, "Docker-Content-Digest");
    if (digest_parse(said, &wanted, &ignored) != 0) {
        digest_compute(DIGEST_SHA256, manifest, &pull->digest);
        return said.n == 0 ? 0
                           : fault_set(fault, ERR_SYNTAX,
                                       "the registry says a digest that is none: %s", ignored.text);
    }
    digest_compute(wanted.algorithm, manifest, &pull->digest);
    if (digest_eq(&wanted, &pull->digest))
        return 0;
    return fault_set(fault, ERR_DIGEST_MISMATCH,
                     "the manifest does not have the digest " SLICE_FMT ": it is damaged",
                     SLICE_ARG(slice_sub(said, 0, DIGEST_TEXT_MAX)));
}

static int get_manifest(struct pull *pull, struct fault *fault)
{
    struct slice version = ref_version(&pull->ref);
    struct slice body;

    client_path(&pull->client, "/v2/%.*s/manifests/%.*s", SLICE_ARG(pull->ref.repository),
                SLICE_ARG(version));
    int err = client_get(&pull->client, ACCEPT, &body, fault);
    if (err == 0)
        err = check_manifest(pull, body, fault);
    if (err == 0)
        err = files_read(&pull->arena, body, &pull->files, fault);
    for (size_t i = 0; i < pull->files.n && err == 0; i++)
        err = title_check(pull->files.list[i].title, fault);
    if (err == 0)
        err = files_sort(&pull->files, fault);
    return err;
}

/* ---- The files --------------------------------------------------------------------------------
 */

static int check_space(const struct pull *pull, struct fault *fault)
{
    struct statvfs st;
    uint64_t wanted = 0, have;
    char wants[TEXT_SIZE_MAX], has[TEXT_SIZE_MAX];

    for (size_t i = 0; i < pull->files.n; i++)
        if (!pull->files.list[i].is_present &&
            __builtin_add_overflow(wanted, pull->files.list[i].size, &wanted))
            wanted = UINT64_MAX;
    if (fstatvfs(pull->folder.fd, &st) != 0)
        return 0; /* then the write will tell */
    have = (uint64_t)st.f_bavail * st.f_frsize;
    if (wanted <= have)
        return 0;
    text_size(wanted, wants);
    text_size(have, has);
    return fault_set(fault, ERR_DISK_FULL, "the files need %s and %s has %s free", wants,
                     pull->folder.path, has);
}

static int look_at_files(struct pull *pull, struct fault *fault)
{
    int err = 0;

    for (size_t i = 0; i < pull->files.n && err == 0; i++) {
        struct file *file = &pull->files.list[i];
        enum folder_state state;

        err = folder_look(&pull->folder, file->title, &file->digest, file->size, &state, fault);
        file->is_present = state == FOLDER_SAME;
        if (err == 0 && state == FOLDER_OTHER && !pull->call->force)
            err = fault_set(fault, ERR_EXISTS,
                            "%s/%.*s is there and differs: --force replaces it, -o takes another "
                            "folder",
                            pull->folder.path, SLICE_ARG(file->title));
    }
    return err == 0 ? check_space(pull, fault) : err;
}

static void report_file(const struct pull *pull, const struct file *file)
{
    char size[TEXT_SIZE_MAX];

    if (pull->call->quiet || pull->call->json)
        return;
    text_size(file->size, size);
    printf("%s  %s  ", file->is_present ? "was there" : "pulled   ", size);
    text_print(stdout, file->title);
    putchar('\n');
    if (file->is_packed && !file->is_present) {
        fputs("tidemark pull: ", stderr);
        text_print(stderr, file->title);
        fputs(" is a packed folder: tar -xzf unpacks it\n", stderr);
    }
}

static int pull_files(struct pull *pull, struct fault *fault)
{
    struct pull_target target = {
        .client = &pull->client,
        .folder = &pull->folder,
        .repository = pull->ref.repository,
        .force = pull->call->force,
        .show_progress = !pull->call->quiet,
    };
    int err = look_at_files(pull, fault);

    for (size_t i = 0; i < pull->files.n && err == 0; i++) {
        const struct file *file = &pull->files.list[i];

        if (!file->is_present)
            err = pull_file(&target, file, fault);
        if (err == 0)
            report_file(pull, file);
    }
    return err;
}

/* ---- The report -------------------------------------------------------------------------------
 */

static void report_json(const struct pull *pull, struct slice digest)
{
    struct buf out;
    struct json_writer w;

    buf_init(&out, ARENA_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("repository"));
    json_string(&w, pull->ref.repository);
    if (pull->ref.tag.n > 0) {
        json_name(&w, SLICE("tag"));
        json_string(&w, pull->ref.tag);
    }
    json_name(&w, SLICE("digest"));
    json_string(&w, digest);
    json_name(&w, SLICE("directory"));
    json_string(&w, slice_from_cstr(pull->folder.path));
    json_name(&w, SLICE("files"));
    files_write_json(&pull->files, "fetched", &w);
    json_object_end(&w);
    printf("%.*s\n", SLICE_ARG(buf_slice(&out)));
    buf_fini(&out);
}

static void report(const struct pull *pull)
{
    char text[DIGEST_TEXT_MAX];
    struct slice digest = digest_format(&pull->digest, text);

    if (pull->call->json)
        report_json(pull, digest);
    else if (!pull->call->quiet)
        printf("%.*s\n", SLICE_ARG(digest));
    if (pull->files.unnamed > 0 && !pull->call->quiet)
        fprintf(stderr, "tidemark pull: %zu layers have no file name and were left out\n",
                pull->files.unnamed);
}

static int pull_all(struct pull *pull, struct fault *fault)
{
    const char *directory = pull->call->directory ? pull->call->directory : ".";
    int err = get_manifest(pull, fault);

    if (err == 0)
        err = folder_open(directory, &pull->folder, fault);
    if (err == 0)
        err = pull_files(pull, fault);
    if (err == 0)
        report(pull);
    folder_close(&pull->folder, err == 0);
    return err;
}

int pull_run(const struct cli_call *call, struct fault *fault)
{
    struct pull pull = {.call = call, .folder = {.fd = -1}};
    int err = ref_parse(slice_from_cstr(call->argv[0]), REF_TAG | REF_DIGEST, &pull.ref, fault);

    if (err == 0)
        err = client_open(&pull.client, &pull.ref, call->server, fault);
    if (err != 0)
        return err;
    arena_init(&pull.arena, ARENA_MAX);
    err = pull_all(&pull, fault);
    arena_fini(&pull.arena);
    client_close(&pull.client);
    return err;
}
