/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a snapshot is made whole before anybody sees it and never changes afterwards; its strings
 * live in its arena, so that the last reference frees everything at once. Each source of values is
 * applied over the ones before it: defaults, file, environment, command line.
 */
#include "config.h"
#include "server/settings.h"

#include "base/arena.h"
#include "base/fatal.h"
#include "base/mem.h"
#include "server/settings_parse.h"
#include "server/settings_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Strings only; a text is as long as what it came from, the file included. */
#define STRINGS_MAX_BYTES ((size_t)4 << 20)

struct snapshot {
    struct settings values;
    struct arena arena;
    atomic_uint refs;
};

static struct snapshot *create_snapshot(void)
{
    struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));

    arena_init(&snapshot->arena, STRINGS_MAX_BYTES);
    atomic_init(&snapshot->refs, 1);
    for (size_t i = 0; i < settings_table_n; i++) {
        /* Nothing but a lack of memory stands against a default. */
        if (setting_set_default(&settings_table[i], &snapshot->arena, &snapshot->values) < 0)
            fatal("no memory for the configuration", 0);
    }
    return snapshot;
}

static void destroy_snapshot(struct snapshot *snapshot)
{
    arena_fini(&snapshot->arena);
    free(snapshot);
}

/* Hand over the first reference, or throw the failed attempt away. */
static int finish(int err, struct snapshot *snapshot, const struct settings **settings)
{
    if (err < 0) {
        destroy_snapshot(snapshot);
        *settings = NULL;
        return err;
    }
    *settings = &snapshot->values;
    return 0;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Until the end or `max` bytes; the number of bytes, or -1 with errno. */
static ssize_t read_all(int fd, char *out, size_t max)
{
    size_t n = 0;

    while (n < max) {
        ssize_t got = read(fd, out + n, max - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

/* Whatever the reason, the outcome is a configuration that cannot be used. */
static int fail_file(const char *path, struct fault *fault)
{
    (void)fault_set_errno(fault, errno, "cannot read %s", path);
    if (fault)
        fault->code = ERR_CONFIG;
    return ERR_CONFIG;
}

static int apply_file(const char *path, struct snapshot *snapshot, struct fault *fault)
{
    char *text = NULL;
    ssize_t n;
    int err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return fail_file(path, fault);
    /* One byte more than is allowed, so that a file which is too large is seen to be. */
    text = xmalloc(SETTINGS_FILE_MAX_BYTES + 1);
    n = read_all(fd, text, SETTINGS_FILE_MAX_BYTES + 1);
    if (n < 0)
        err = fail_file(path, fault);
    else
        err = settings_apply_text(slice_make(text, (size_t)n), path, &snapshot->arena,
                                  &snapshot->values, fault);
    free(text);
    close(fd);
    return err;
}

/* ---- The command line ------------------------------------------------------------------------ */

static int apply_option(const char *option, const char *value, struct slice section,
                        struct slice key, struct snapshot *snapshot, struct fault *fault)
{
    const struct setting *setting = setting_find(section, key);
    struct fault why = FAULT_INIT;

    if (!value)
        return 0;
    if (setting_parse(setting, slice_from_cstr(value), &snapshot->arena, &snapshot->values, &why) <
        0)
        return fault_set(fault, ERR_CONFIG, "option %s: %s %s", option, setting->name, why.text);
    return 0;
}

static int apply_overrides(const struct settings_overrides *overrides, struct snapshot *snapshot,
                           struct fault *fault)
{
    int err;

    if (!overrides)
        return 0;
    err = apply_option("--data", overrides->data, SLICE("storage"), SLICE("path"), snapshot, fault);
    if (err < 0)
        return err;
    return apply_option("--listen", overrides->listen, SLICE("server"), SLICE("listen"), snapshot,
                        fault);
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

int settings_load(const char *path, const struct settings_overrides *overrides,
                  const struct settings **settings, struct fault *fault)
{
    struct snapshot *snapshot = create_snapshot();
    int err = path ? apply_file(path, snapshot, fault) : 0;

    if (err == 0)
        err = settings_apply_environment(environ, &snapshot->arena, &snapshot->values, fault);
    if (err == 0)
        err = apply_overrides(overrides, snapshot, fault);
    return finish(err, snapshot, settings);
}

int settings_load_text(struct slice text, const char *name, const struct settings **settings,
                       struct fault *fault)
{
    struct snapshot *snapshot = create_snapshot();
    int err = settings_apply_text(text, name, &snapshot->arena, &snapshot->values, fault);

    return finish(err, snapshot, settings);
}

/* Only the count behind the values is ever written, and it is atomic. */
static struct snapshot *snapshot_of(const struct settings *settings)
{
    return (struct snapshot *)((uintptr_t)settings - offsetof(struct snapshot, values));
}

const struct settings *settings_ref(const struct settings *settings)
{
    atomic_fetch_add_explicit(&snapshot_of(settings)->refs, 1, memory_order_relaxed);
    return settings;
}

void settings_unref(const struct settings *settings)
{
    if (!settings)
        return;
    if (atomic_fetch_sub_explicit(&snapshot_of(settings)->refs, 1, memory_order_acq_rel) == 1)
        destroy_snapshot(snapshot_of(settings));
}

const char *settings_needs_restart(const struct settings *old, const struct settings *new)
{
    for (size_t i = 0; i < settings_table_n; i++) {
        if (!settings_table[i].is_reloadable && !setting_eq(&settings_table[i], old, new))
            return settings_table[i].name;
    }
    return NULL;
}

/* The running value of a key that cannot change now, over the one just read. */
static int keep_value(const struct setting *setting, const struct settings *running,
                      struct snapshot *snapshot, struct fault *fault)
{
    struct buf text;

    buf_init(&text, STRINGS_MAX_BYTES);
    setting_format(setting, running, &text);
    int err = text.overflow ? ERR_NO_MEMORY
                            : setting_parse(setting, buf_slice(&text), &snapshot->arena,
                                            &snapshot->values, fault);
    buf_fini(&text);
    return err;
}

int settings_reload(const char *path, const struct settings_overrides *overrides,
                    const struct settings *running, const struct settings **settings,
                    const char **restart_key, struct fault *fault)
{
    int err = settings_load(path, overrides, settings, fault);

    if (err != 0)
        return err;
    struct snapshot *snapshot = snapshot_of(*settings);
    *restart_key = settings_needs_restart(running, *settings);
    for (size_t i = 0; i < settings_table_n && err == 0; i++) {
        if (!settings_table[i].is_reloadable &&
            !setting_eq(&settings_table[i], running, &snapshot->values))
            err = keep_value(&settings_table[i], running, snapshot, fault);
    }
    return finish(err, snapshot, settings);
}
