/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/fsck_verb.h"

#include "registry/fsck.h"
#include "server/control.h"
#include "server/open_store.h"

#include <getopt.h>
#include <stdlib.h>

#define EXIT_USAGE 2

static void print_finding(enum fsck_level level, const char *text, void *arg)
{
    fprintf(arg, "%s: %s\n", level == FSCK_ERROR ? "error" : "note", text);
}

int fsck_verb_check(struct store *store, FILE *out)
{
    struct fsck_summary summary = {0};
    struct fault fault = FAULT_INIT;

    int err = fsck_run(store, print_finding, out, &summary, &fault);
    if (err != 0 && err != ERR_CORRUPT) {
        fprintf(out, "error: the check could not be finished: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    fprintf(out,
            "%llu repositories, %llu manifests, %llu blobs, %llu tags, %llu events, %llu files: "
            "%llu errors, %llu notes\n",
            (unsigned long long)summary.repositories, (unsigned long long)summary.manifests,
            (unsigned long long)summary.blobs, (unsigned long long)summary.tags,
            (unsigned long long)summary.events, (unsigned long long)summary.files,
            (unsigned long long)summary.errors, (unsigned long long)summary.notes);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int check_offline(const struct settings *settings)
{
    struct store store;
    struct fault fault = FAULT_INIT;

    int err = datadir_peek(settings->storage_path, &fault);
    if (err == 0)
        err = open_store(settings, NULL, &store, &fault);
    if (err != 0) {
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    int status = fsck_verb_check(&store, stdout);
    /* What a failed commit may have left was just looked at. */
    if (status == EXIT_SUCCESS && datadir_is_marked(&store.dir) &&
        datadir_clear_mark(&store.dir, &fault) != 0)
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, ERR_IO));
    store_close(&store);
    return status;
}

static int check(const struct settings *settings)
{
    struct fault fault = FAULT_INIT;
    int status = EXIT_FAILURE;

    int err = control_ask(settings->storage_path, "fsck", stdout, &status, &fault);
    if (err == ERR_NOT_FOUND)
        return check_offline(settings);
    if (err != 0)
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
    return status;
}

int fsck_verb_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"data", required_argument, NULL, 'd'},
        {0},
    };
    struct settings_overrides overrides = {0};
    const struct settings *settings;
    const char *config = NULL;
    struct fault fault = FAULT_INIT;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            config = optarg;
        else if (option == 'd')
            overrides.data = optarg;
        else
            return EXIT_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "tidemark fsck: '%s' is one word too many\n", argv[optind]);
        return EXIT_USAGE;
    }
    int err = load_settings(config, &overrides, &settings, &fault);
    if (err != 0) {
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    int status = check(settings);
    settings_unref(settings);
    return status;
}
