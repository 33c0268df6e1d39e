/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.json: what a finished backup says of itself. It is written last; a directory without it
 * holds no backup. Any thread.
 */
#ifndef STORAGE_BACKUP_INFO_H
#define STORAGE_BACKUP_INFO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/fault.h"
#include "storage/event.h"

#define BACKUP_FORMAT         1
#define BACKUP_INFO_MAX       (1u << 20) /* bytes of the document */
#define BACKUP_DAMAGED_MAX    1000       /* that are named; all are counted */
#define BACKUP_INDEX_NAME_MAX 16

struct backup_info {
    unsigned data_format, index_format;
    char version[64];                  /* of the program that made it */
    char index[BACKUP_INDEX_NAME_MAX]; /* folder of the index copy: "index.a" */
    uint64_t index_bytes;
    struct digest index_digest;
    uint64_t event;                      /* the last one in it */
    uint8_t event_hash[EVENT_HASH_SIZE]; /* of that event */
    uint64_t manifests;                  /* in it, those in the trash too */
    uint64_t files, file_bytes;          /* blob files it needs */
    uint64_t damaged_n;                  /* of them, those that could not be had */
    struct digest damaged[BACKUP_DAMAGED_MAX];
    int64_t begun_ms, finished_ms;
};

void backup_info_encode(struct buf *out, const struct backup_info *info);

/* Takes outside bytes. ERR_CONFIG with both versions named when the backup, or the data in it, is
 * newer than this program, or the index is of a machine of another kind; ERR_CORRUPT when it is no
 * such document. `name` is for the words. */
int backup_info_decode(struct slice document, const char *name, struct backup_info *info,
                       struct fault *fault) MUST_CHECK;

#endif
