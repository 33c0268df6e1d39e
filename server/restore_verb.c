/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the new data directory has a marker from the first moment on, so that no server takes it
 * for whole. Index and blobs are copied, then the store is opened as a server would open it and
 * checked; only then the marker goes. A restore that was cut off is begun again, and keeps the
 * blobs that are there.
 */
#include "config.h"

#include "server/restore_verb.h"

#include "registry/fsck.h"
#include "server/backup_command.h"
#include "server/open_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int copy(const struct backup_arguments *arguments, const struct settings *settings,
                struct backup_dir *dir, struct backup_report *report, struct fault *fault)
{
    const struct backup_options options =
        backup_command_options(settings, report, !arguments->has_flag);
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

static int restore(const struct backup_arguments *arguments, const struct settings *settings)
{
    struct backup_report report;
    struct backup_dir dir;
    struct fault fault = FAULT_INIT;

    backup_report_init(&report, "restore", arguments->quiet);
    int err = check_user(settings->storage_path, &fault);
    if (err == 0)
        err = backup_dir_open_read(arguments->directory, &dir, &fault);
    if (err != 0) {
        backup_report_failure(&report, &fault, err);
        return EXIT_FAILURE;
    }
    if (backup_dir_is_below(settings->storage_path, arguments->directory))
        err = fault_set(&fault, ERR_CONFIG, "%s lies in the backup %s: name a directory elsewhere",
                        settings->storage_path, arguments->directory);
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

int restore_verb_run(int argc, char **argv)
{
    static const struct backup_command command = {
        .verb = "restore",
        .directory = "from",
        .directory_is = "the backup",
        .flag = "no-verify",
        .run = restore,
    };

    return backup_command_main(&command, argc, argv);
}
