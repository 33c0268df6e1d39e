/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of a backup.json is written so that it reads the same again; its folder is one of
 * two, as it becomes a path.
 */
#include "config.h"
#include "storage/backup_info.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct backup_info *info = xcalloc(2, sizeof(*info)), *again = info + 1;
    struct buf text;
    int err = backup_info_decode(slice_make(size ? data : NULL, size), "x", info, NULL);

    if (err != 0 && err != ERR_CORRUPT && err != ERR_CONFIG)
        abort();
    if (err == 0) {
        if (strcmp(info->index, "index.a") != 0 && strcmp(info->index, "index.b") != 0)
            abort();
        buf_init(&text, 2 * BACKUP_INFO_MAX);
        backup_info_encode(&text, info);
        if (text.overflow || backup_info_decode(buf_slice(&text), "x", again, NULL) != 0 ||
            again->event != info->event || again->damaged_n != info->damaged_n ||
            memcmp(again->event_hash, info->event_hash, sizeof(info->event_hash)) != 0)
            abort();
        buf_fini(&text);
    }
    free(info);
    return 0;
}
