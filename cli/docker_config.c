/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the file is other programs' too. It is read whole, one member of `auths` is replaced, and
 * everything else is written again as it was, tabs and all, to a new file that takes its place: who
 * reads meanwhile sees the old one or the new one.
 */
#include "config.h"
#include "cli/docker_config.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/docker_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX   (1u << 20)
#define PATH_SIZE  4096
#define ARENA_MAX  (64u << 20)
#define DEPTH_MAX  32
#define VALUES_MAX 100000

void docker_secret_init(struct docker_secret *secret)
{
    buf_init(&secret->user, DOCKER_SECRET_MAX);
    buf_init(&secret->secret, DOCKER_SECRET_MAX);
    secret->is_refresh_token = false;
}

static void wipe(struct buf *buf)
{
    if (buf->p)
        explicit_bzero(buf->p, buf->cap);
    buf_fini(buf);
}

void docker_secret_fini(struct docker_secret *secret)
{
    wipe(&secret->user);
    wipe(&secret->secret);
}

/* ---- The file ---------------------------------------------------------------------------------
 */

struct config_file {
    char path[PATH_SIZE];
    char directory[PATH_SIZE];
    struct buf text;
    struct arena arena;
    struct json *root; /* NULL: there is no file */
};

static int find_path(struct config_file *file, struct fault *fault)
{
    const char *directory = getenv("DOCKER_CONFIG");
    const char *home = getenv("HOME");
    int n;

    if (directory && directory[0] != '\0')
        n = snprintf(file->directory, PATH_SIZE, "%s", directory);
    else if (home && home[0] != '\0')
        n = snprintf(file->directory, PATH_SIZE, "%s/.docker", home);
    else
        return fault_set(fault, ERR_INVALID,
                         "neither HOME nor DOCKER_CONFIG says where credentials are");
    if (n < 0 || n > PATH_SIZE - 32)
        return fault_set(fault, ERR_INVALID, "the path of the credentials is too long");
    memcpy(file->path, file->directory, (size_t)n);
    memcpy(file->path + n, "/config.json", sizeof("/config.json"));
    return 0;
}

static int read_text(struct config_file *file, int fd, struct fault *fault)
{
    char bytes[8192];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        buf_add(&file->text, slice_make(bytes, (size_t)n));
    explicit_bzero(bytes, sizeof(bytes));
    if (n < 0)
        return fault_set_errno(fault, errno, "reading %s", file->path);
    if (file->text.overflow)
        return fault_set(fault, ERR_LIMIT, "%s is larger than %u bytes", file->path, FILE_MAX);
    return 0;
}

static int parse(struct config_file *file, struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = DEPTH_MAX, .max_values = VALUES_MAX};
    struct fault why = FAULT_INIT;
    int err;

    if (slice_trim(buf_slice(&file->text)).n == 0)
        return 0;
    err = json_parse(&file->arena, buf_slice(&file->text), &limits, &file->root, &why);
    if (err == 0 && file->root->type == JSON_OBJECT)
        return 0;
    file->root = NULL;
    return fault_set(fault, ERR_SYNTAX, "%s: %s", file->path,
                     err != 0 ? fault_text(&why, err) : "it is no object");
}

static void file_fini(struct config_file *file)
{
    wipe(&file->text);
    arena_fini(&file->arena);
}

/* A missing file is an empty one. file_fini in any case. */
static int file_open(struct config_file *file, struct fault *fault)
{
    int fd, err;

    file->root = NULL;
    buf_init(&file->text, FILE_MAX);
    arena_init(&file->arena, ARENA_MAX);
    err = find_path(file, fault);
    if (err != 0)
        return err;
    fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fault_set_errno(fault, errno, "opening %s", file->path);
    err = read_text(file, fd, fault);
    close(fd);
    return err != 0 ? err : parse(file, fault);
}

static struct slice text_of(const struct json *object, const char *name)
{
    const struct json *member = json_member(object, slice_from_cstr(name));

    return member && member->type == JSON_STRING ? member->text : (struct slice){0};
}

/* "https://host/v1/" names the host too, as old files have it. */
static bool is_host(struct slice key, struct slice host)
{
    if (slice_starts_with(key, SLICE("https://")))
        key = slice_sub(key, 8, SIZE_MAX);
    else if (slice_starts_with(key, SLICE("http://")))
        key = slice_sub(key, 7, SIZE_MAX);
    return slice_eq_nocase(slice_sub(key, 0, slice_find_char(key, '/')), host);
}

static const struct json *find_auth(const struct config_file *file, struct slice host)
{
    const struct json *auths = json_member(file->root, SLICE("auths"));
    const struct json *found = json_member(auths, host);

    if (found || !auths || auths->type != JSON_OBJECT)
        return found;
    for (const struct json *entry = auths->first; entry; entry = entry->next)
        if (is_host(entry->name, host))
            return entry;
    return NULL;
}

/* Empty: the file itself keeps it. */
static struct slice helper_of(const struct config_file *file, struct slice host)
{
    const struct json *helpers = json_member(file->root, SLICE("credHelpers"));
    const struct json *helper = json_member(helpers, host);

    if (helper && helper->type == JSON_STRING && helper->text.n > 0)
        return helper->text;
    return text_of(file->root, "credsStore");
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static int from_helper(struct slice helper, struct slice host, struct docker_secret *secret,
                       struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = 4, .max_values = 64};
    struct fault why = FAULT_INIT;
    struct arena arena;
    struct json *root;
    struct buf output;
    int err;

    buf_init(&output, DOCKER_HELPER_OUTPUT_MAX);
    arena_init(&arena, 4 * DOCKER_HELPER_OUTPUT_MAX);
    err = docker_helper_run(helper, "get", host, &output, fault);
    if (err == 0 && json_parse(&arena, buf_slice(&output), &limits, &root, &why) != 0)
        err = fault_set(fault, ERR_SYNTAX, "docker-credential-" SLICE_FMT " printed no JSON",
                        SLICE_ARG(helper));
    if (err == 0) {
        buf_add(&secret->user, text_of(root, "Username"));
        buf_add(&secret->secret, text_of(root, "Secret"));
        secret->is_refresh_token = slice_eq(buf_slice(&secret->user), SLICE("<token>"));
    }
    wipe(&output);
    arena_fini(&arena);
    return err;
}

/* "auth" is user:password in base64; "identitytoken" a refresh token; some write them apart. */
static int from_entry(const struct config_file *file, const struct json *entry, struct slice host,
                      struct docker_secret *secret, struct fault *fault)
{
    struct slice token = text_of(entry, "identitytoken"), auth = text_of(entry, "auth"), both;
    struct buf text;
    size_t colon;
    int err = 0;

    buf_init(&text, DOCKER_SECRET_MAX);
    if (token.n > 0) {
        buf_add(&secret->secret, token);
        secret->is_refresh_token = true;
    } else if (auth.n > 0) {
        err = base64_decode(&text, auth);
        both = buf_slice(&text);
        colon = slice_find_char(both, ':');
        if (err != 0 || colon == both.n)
            err = fault_set(fault, ERR_SYNTAX, "%s: the auth of " SLICE_FMT " is no user:password",
                            file->path, SLICE_ARG(host));
        else {
            buf_add(&secret->user, slice_sub(both, 0, colon));
            buf_add(&secret->secret, slice_sub(both, colon + 1, SIZE_MAX));
        }
    } else {
        buf_add(&secret->user, text_of(entry, "username"));
        buf_add(&secret->secret, text_of(entry, "password"));
    }
    wipe(&text);
    return err == 0 && secret->secret.n == 0 ? ERR_NOT_FOUND : err;
}

int docker_config_get(struct slice host, struct docker_secret *secret, struct fault *fault)
{
    struct config_file file;
    const struct json *entry;
    int err = file_open(&file, fault);

    if (err == 0) {
        struct slice helper = helper_of(&file, host);

        entry = find_auth(&file, host);
        err = helper.n > 0 ? from_helper(helper, host, secret, fault) : ERR_NOT_FOUND;
        if (err == ERR_NOT_FOUND && entry)
            err = from_entry(&file, entry, host, secret, fault);
    }
    file_fini(&file);
    return err;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static void indent(struct buf *out, unsigned depth)
{
    buf_add_char(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        buf_add_char(out, '\t');
}

static void add_string(struct buf *out, struct slice text)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_string(&w, text);
}

/* As docker writes it, so that people find their file as they left it. */
static void add_value(struct buf *out, const struct json *value, unsigned depth)
{
    bool is_object = value->type == JSON_OBJECT;
    struct json_writer w;

    if ((!is_object && value->type != JSON_ARRAY) || !value->first) {
        json_writer_init(&w, out);
        json_value(&w, value);
        return;
    }
    buf_add_char(out, is_object ? '{' : '[');
    for (const struct json *child = value->first; child; child = child->next) {
        indent(out, depth + 1);
        if (is_object) {
            add_string(out, child->name);
            buf_add(out, SLICE(": "));
        }
        add_value(out, child, depth + 1);
        if (child->next)
            buf_add_char(out, ',');
    }
    indent(out, depth);
    buf_add_char(out, is_object ? '}' : ']');
}

static int write_file(int fd, struct slice text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text = slice_sub(text, (size_t)n, SIZE_MAX);
    }
    return fsync(fd) != 0 ? errno : 0;
}

/* Beside the file, then in its place; a link to the file stays one. */
static int replace(struct config_file *file, struct slice text, struct fault *fault)
{
    char *target = realpath(file->path, NULL);
    const char *path = target ? target : file->path;
    char *beside = xmalloc(strlen(path) + 16);
    int failure = 0, fd;

    snprintf(beside, strlen(path) + 16, "%s.XXXXXX", path);
    if (!target && mkdir(file->directory, 0700) != 0 && errno != EEXIST)
        failure = errno;
    fd = failure == 0 ? mkstemp(beside) : -1; /* mode 0600 */
    if (fd < 0 && failure == 0)
        failure = errno;
    if (fd >= 0) {
        failure = write_file(fd, text);
        close(fd);
        if (failure == 0 && rename(beside, path) != 0)
            failure = errno;
        if (failure != 0)
            unlink(beside);
    }
    free(beside);
    free(target);
    return failure == 0 ? 0 : fault_set_errno(fault, failure, "writing %s", file->path);
}

static struct json *make(struct config_file *file, enum json_type type, const char *name)
{
    struct json *value = arena_alloc(&file->arena, sizeof(*value));

    if (!value)
        return NULL;
    value->type = type;
    value->name = slice_from_cstr(name);
    return value;
}

static void append(struct json *parent, struct json *child)
{
    struct json **end = &parent->first;

    while (*end)
        end = &(*end)->next;
    *end = child;
    parent->count++;
}

/* The trees that json_parse makes are ours until the arena goes. */
static struct json *auths_of(struct config_file *file)
{
    struct json *auths = NULL;

    if (!file->root)
        file->root = make(file, JSON_OBJECT, "");
    for (struct json *child = file->root ? file->root->first : NULL; child; child = child->next)
        if (slice_eq(child->name, SLICE("auths")) && child->type == JSON_OBJECT)
            auths = child;
    if (!auths && file->root) {
        auths = make(file, JSON_OBJECT, "auths");
        if (auths)
            append(file->root, auths);
    }
    return auths;
}

/* Takes what `auths` has for the host out of it. */
static bool remove_host(struct json *auths, struct slice host)
{
    struct json **at = &auths->first;
    bool found = false;

    while (*at) {
        if (is_host((*at)->name, host)) {
            *at = (*at)->next;
            auths->count--;
            found = true;
        } else {
            at = &(*at)->next;
        }
    }
    return found;
}

static int save(struct config_file *file, struct fault *fault)
{
    struct buf text;
    int err;

    buf_init(&text, 2 * FILE_MAX);
    add_value(&text, file->root, 0);
    buf_add_char(&text, '\n');
    err = text.overflow ? fault_set(fault, ERR_LIMIT, "%s would become too large", file->path)
                        : replace(file, buf_slice(&text), fault);
    wipe(&text);
    return err;
}

static int put_into_file(struct config_file *file, struct slice host, struct slice user,
                         struct slice secret, struct fault *fault)
{
    struct json *auths = auths_of(file);
    struct json *entry = make(file, JSON_OBJECT, "");
    struct json *auth = make(file, JSON_STRING, "auth");
    struct buf both, text;
    int err;

    if (!auths || !entry || !auth)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the credentials");
    buf_init(&both, DOCKER_SECRET_MAX);
    buf_init(&text, 2 * DOCKER_SECRET_MAX);
    buf_add(&both, user);
    buf_add_char(&both, ':');
    buf_add(&both, secret);
    base64_encode(&text, buf_slice(&both));
    auth->text = buf_slice(&text);
    entry->name = host;
    append(entry, auth);
    remove_host(auths, host);
    append(auths, entry);
    err = both.overflow || text.overflow ? fault_set(fault, ERR_LIMIT, "the secret is too long")
                                         : save(file, fault);
    wipe(&both);
    wipe(&text);
    return err;
}

static int put_into_helper(struct slice helper, struct slice host, struct slice user,
                           struct slice secret, struct fault *fault)
{
    struct json_writer w;
    struct buf input, output;
    int err;

    buf_init(&input, 4 * DOCKER_SECRET_MAX);
    buf_init(&output, DOCKER_HELPER_OUTPUT_MAX);
    json_writer_init(&w, &input);
    json_object_begin(&w);
    json_name(&w, SLICE("ServerURL"));
    json_string(&w, host);
    json_name(&w, SLICE("Username"));
    json_string(&w, user);
    json_name(&w, SLICE("Secret"));
    json_string(&w, secret);
    json_object_end(&w);
    err = docker_helper_run(helper, "store", buf_slice(&input), &output, fault);
    wipe(&input);
    wipe(&output);
    return err;
}

int docker_config_put(struct slice host, struct slice user, struct slice secret, struct buf *where,
                      struct fault *fault)
{
    struct config_file file;
    int err = file_open(&file, fault);

    if (err == 0) {
        struct slice helper = helper_of(&file, host);

        if (helper.n > 0)
            err = put_into_helper(helper, host, user, secret, fault);
        else
            err = put_into_file(&file, host, user, secret, fault);
        if (where && helper.n > 0)
            buf_addf(where, "docker-credential-" SLICE_FMT, SLICE_ARG(helper));
        else if (where)
            buf_addf(where, "%s, not encrypted", file.path);
    }
    file_fini(&file);
    return err;
}

int docker_config_erase(struct slice host, struct fault *fault)
{
    struct config_file file;
    struct buf output;
    bool found = false;
    int err = file_open(&file, fault);

    buf_init(&output, DOCKER_HELPER_OUTPUT_MAX);
    if (err == 0) {
        struct slice helper = helper_of(&file, host);

        if (helper.n > 0) {
            err = docker_helper_run(helper, "erase", host, &output, fault);
            found = err == 0;
            err = err == ERR_NOT_FOUND ? 0 : err;
        }
        if (err == 0 && find_auth(&file, host)) {
            found = remove_host(auths_of(&file), host);
            err = save(&file, fault);
        }
    }
    wipe(&output);
    file_fini(&file);
    return err == 0 && !found ? ERR_NOT_FOUND : err;
}
