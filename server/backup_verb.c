/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: with a server running, that only copies its index, because nobody else may have a
 * snapshot of it, and pauses reaping for as long as this process keeps the connection. The blobs
 * are copied here: they never change, this process may read them, and it alone can write where the
 * backup goes (the service is confined to its data directory). When it dies, the kernel closes the
 * connection, and the pause is over.
 */
#include "config.h"

#include "server/backup_verb.h"

#include "server/backup_command.h"
#include "server/control.h"
#include "server/open_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What keeps blob files from being removed: one of the two. */
struct pause {
    int hold_fd;        /* the connection to the server */
    struct store store; /* its lock, when there is no server */
    bool has_store;
};

static int copy_offline(const struct settings *settings, int index_fd, struct pause *pause,
                        struct fault *fault)
{
    int err = open_store(settings, NULL, &pause->store, fault);

    if (err != 0)
        return err;
    pause->has_store = true;
    err = kv_copy(pause->store.kv, index_fd);
    return err == 0 ? 0 : fault_set(fault, err, "the index cannot be copied: %s", err_text(err));
}

static int copy_index(const struct settings *settings, int index_fd, struct pause *pause,
                      struct fault *fault)
{
    int status = EXIT_FAILURE;

    int err = control_ask_backup(settings->storage_path, index_fd, stderr, &pause->hold_fd, &status,
                                 fault);
    if (err == ERR_NOT_FOUND)
        return copy_offline(settings, index_fd, pause, fault);
    if (err == 0 && status != EXIT_SUCCESS)
        return fault_set(fault, ERR_IO, "the server did not give its index (see above)");
    return err;
}

static void end_pause(struct pause *pause)
{
    if (pause->hold_fd >= 0)
        close(pause->hold_fd);
    if (pause->has_store)
        store_close(&pause->store);
}

static int open_blobs(const char *data, int *fd, struct fault *fault)
{
    int dir = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);

    *fd = dir >= 0 ? openat(dir, "blobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int sys = errno;
    if (dir >= 0)
        close(dir);
    return *fd >= 0
               ? 0
               : fault_set_errno(fault, sys,
                                 "cannot open %s/blobs (run this as the user of the server)", data);
}

static void print_result(const struct backup_dir *dir, const struct backup_result *result)
{
    const struct backup_info *info = dir->last;
    char size[BACKUP_SIZE_MAX], copied[BACKUP_SIZE_MAX];

    printf("%s: up to event %llu, %llu manifests, %llu blob files of %s; %llu copied (%s), "
           "%llu removed\n",
           dir->path, (unsigned long long)info->event, (unsigned long long)info->manifests,
           (unsigned long long)info->files, backup_report_size(info->file_bytes, size),
           (unsigned long long)result->copied, backup_report_size(result->copied_bytes, copied),
           (unsigned long long)result->removed);
    if (info->damaged_n > 0)
        fprintf(stderr,
                "tidemark backup: %llu blobs could not be had and are not in the backup; push "
                "them again, or delete what names them\n",
                (unsigned long long)info->damaged_n);
}

/* The backup itself; the directory is open. */
static int make(const struct backup_arguments *arguments, const struct settings *settings,
                struct backup_dir *dir, struct backup_report *report, struct fault *fault)
{
    const struct backup_options options =
        backup_command_options(settings, report, arguments->has_flag);
    struct backup_result result;
    struct pause pause = {.hold_fd = -1};
    int index_fd = -1, blobs_fd = -1;

    int err = open_blobs(settings->storage_path, &blobs_fd, fault);
    if (err == 0)
        err = backup_dir_create_index(dir, &index_fd, fault);
    if (err == 0)
        err = copy_index(settings, index_fd, &pause, fault);
    if (err == 0)
        err = backup_make(dir, blobs_fd, index_fd, &options, &result, fault);
    backup_report_end(report);
    if (err == 0 && !arguments->quiet)
        print_result(dir, &result);
    end_pause(&pause);
    if (index_fd >= 0)
        close(index_fd);
    if (blobs_fd >= 0)
        close(blobs_fd);
    return err;
}

static int back_up(const struct backup_arguments *arguments, const struct settings *settings)
{
    struct backup_report report;
    struct backup_dir dir;
    struct fault fault = FAULT_INIT;

    backup_report_init(&report, "backup", arguments->quiet);
    int err = datadir_peek(settings->storage_path, &fault);
    if (err == 0)
        err = backup_dir_open(arguments->directory, settings->storage_path, &dir, &fault);
    if (err != 0) {
        backup_report_failure(&report, &fault, err);
        return EXIT_FAILURE;
    }
    if (dir.was_cut && !arguments->quiet)
        fprintf(stderr,
                "tidemark backup: the last one was cut off; going on with what it copied\n");
    err = make(arguments, settings, &dir, &report, &fault);
    if (err != 0)
        backup_report_failure(&report, &fault, err);
    bool is_whole = err == 0 && dir.last->damaged_n == 0;
    backup_dir_close(&dir);
    return is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

int backup_verb_run(int argc, char **argv)
{
    static const struct backup_command command = {
        .verb = "backup",
        .directory = "to",
        .directory_is = "where the backup goes",
        .flag = "verify",
        .run = back_up,
    };

    signal(SIGPIPE, SIG_IGN); /* a server that dies is an error with words */
    return backup_command_main(&command, argc, argv);
}
