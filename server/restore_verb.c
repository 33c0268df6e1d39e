/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the new data directory has a marker from the first moment on, so that no server takes it
 * for whole. Index and blobs are copied, then the store is opened as a server would open it and
 * checked; only then the marker goes. A restore that was cut off is begun again, and keeps the
 * blobs that are there.
 */
#include "config.h"

#include "server/restore_verb.h"

#include "base/clock.h"
#include "registry/fsck.h"
#include "server/backup_report.h"
#include "server/open_store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE 2

struct arguments {
    const char *config, *from;
    struct settings_overrides overrides;
    bool no_verify, quiet;
};

/* Files that root makes in a directory of the server's user could not be read by the server. */
static int check_user(const char *path, struct fault *fault)
{
    struct stat st;

    if (geteuid() != 0 || stat(path, &st) != 0 || st.st_uid == 0)
        return 0;
    return fault_set(fault, ERR_CONFIG,
                     "%s belongs to user id %ju, who could not read what root restores: run this "
                     "as that user",
                     path, (uintmax_t)st.st_uid);
}

static int copy(const struct arguments *arguments, const struct settings *settings,
                struct backup_dir *dir, struct backup_report *report, struct fault *fault)
{
    const struct backup_options options = {
        .version = PACKAGE_VERSION,
        .begun_ms = clock_wall_ms(),
        .verify = !arguments->no_verify,
        .map_size_bytes = settings->index_map_size_bytes,
        .progress = backup_report_progress,
        .damaged = backup_report_damaged,
        .arg = report,
    };
    struct backup_result result;
    struct datadir data;

    int err = datadir_open_restore(settings->storage_path, &data, fault);
    if (err != 0)
        return err;
    err = backup_restore(dir, &data, &options, &result, fault);
    backup_report_end(report);
    datadir_close(&data);
    return err;
}

static void print_finding(enum fsck_level level, const char *text, void *arg)
{
    (void)arg;
    if (level == FSCK_ERROR)
        fprintf(stderr, "tidemark restore: check: %s\n", text);
}

/* Blobs the backup is known not to have are the only findings that are allowed. */
static int check(struct store *store, const struct backup_info *info, struct fault *fault)
{
    struct fsck_summary summary = {0};
    int err = fsck_run(store, print_finding, NULL, &summary, fault);

    if (err == ERR_CORRUPT && summary.errors == info->damaged_n)
        return 0;
    if (err == ERR_CORRUPT)
        return fault_set(fault, err,
                         "what was restored has errors (above): the backup is damaged; restore an "
                         "earlier one into another directory");
    return err;
}

static int finish(const struct settings *settings, const struct backup_info *info,
                  struct fault *fault)
{
    struct store store;
    int err = open_store_restored(settings, &store, fault);

    if (err != 0)
        return err;
    err = check(&store, info, fault);
    if (err == 0)
        err = datadir_end_restore(&store.dir, fault);
    store_close(&store);
    return err;
}

static void print_result(const struct settings *settings, const struct backup_info *info)
{
    char size[BACKUP_SIZE_MAX];

    printf("%s: restored up to event %llu, %llu manifests, %llu blob files of %s; checked\n",
           settings->storage_path, (unsigned long long)info->event,
           (unsigned long long)info->manifests, (unsigned long long)info->files,
           backup_report_size(info->file_bytes, size));
}

static int restore(const struct arguments *arguments, const struct settings *settings)
{
    struct backup_report report;
    struct backup_dir dir;
    struct fault fault = FAULT_INIT;

    backup_report_init(&report, "restore", arguments->quiet);
    int err = check_user(settings->storage_path, &fault);
    if (err == 0)
        err = backup_dir_open_read(arguments->from, &dir, &fault);
    if (err != 0) {
        backup_report_failure(&report, &fault, err);
        return EXIT_FAILURE;
    }
    if (backup_dir_is_below(settings->storage_path, arguments->from))
        err = fault_set(&fault, ERR_CONFIG, "%s lies in the backup %s: name a directory elsewhere",
                        settings->storage_path, arguments->from);
    if (err == 0)
        err = copy(arguments, settings, &dir, &report, &fault);
    if (err == 0)
        err = finish(settings, dir.last, &fault);
    if (err != 0)
        backup_report_failure(&report, &fault, err);
    else if (!arguments->quiet)
        print_result(settings, dir.last);
    bool is_whole = err == 0 && dir.last->damaged_n == 0;
    backup_dir_close(&dir);
    return is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"data", required_argument, NULL, 'd'},
        {"from", required_argument, NULL, 'f'},   {"no-verify", no_argument, NULL, 'n'},
        {"quiet", no_argument, NULL, 'q'},        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1) {
        if (option == 'c')
            arguments->config = optarg;
        else if (option == 'd')
            arguments->overrides.data = optarg;
        else if (option == 'f')
            arguments->from = optarg;
        else if (option == 'n')
            arguments->no_verify = true;
        else if (option == 'q')
            arguments->quiet = true;
        else
            return EXIT_USAGE;
    }
    if (optind < argc)
        fprintf(stderr, "tidemark restore: '%s' is one word too many\n", argv[optind]);
    else if (arguments->from == NULL)
        fprintf(stderr, "tidemark restore: --from DIR is missing: the backup\n");
    return optind < argc || arguments->from == NULL ? EXIT_USAGE : 0;
}

int restore_verb_run(int argc, char **argv)
{
    struct arguments arguments = {0};
    const struct settings *settings;
    struct fault fault = FAULT_INIT;

    int status = parse(argc, argv, &arguments);
    if (status != 0)
        return status;
    int err = load_settings(arguments.config, &arguments.overrides, &settings, &fault);
    if (err != 0) {
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    status = restore(&arguments, settings);
    settings_unref(settings);
    return status;
}
