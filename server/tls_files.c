/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: files are compared by what stat says of the end of the path, which sees a link that was
 * swapped as well as a file that was renamed or written. The state is taken before the files are
 * read: what changes meanwhile is seen the next time. So a certificate that is replaced a moment
 * before its key fails once and is taken with the key.
 *
 * Everything is read anew once a day too, because that makes a new key for session tickets.
 */
#include "config.h"

#include "server/tls_files.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/slice.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX     (2 * TLS_PAIRS_MAX + 1)
#define TICKET_KEY_MS (UINT64_C(24) * 3600 * 1000)

/* Of one file; all zero when it is not there. */
struct stamp {
    uint64_t device, file, bytes;
    int64_t changed_s, changed_ns;
};

struct tls_files {
    const struct settings *settings;
    pthread_mutex_t mutex; /* of the pointer */
    struct tls_context *context;
    struct stamp stamps[FILES_MAX];
    uint64_t loaded_ms;
};

static struct stamp stamp_of(struct slice path)
{
    struct stamp stamp = {0};
    struct stat status;
    char *copy = xstrndup(path.p, path.n);

    if (stat(copy, &status) == 0) {
        stamp.device = (uint64_t)status.st_dev;
        stamp.file = (uint64_t)status.st_ino;
        stamp.bytes = (uint64_t)status.st_size;
        /* Not of the last write: also a changed owner or mode can make it readable. */
        stamp.changed_s = status.st_ctim.tv_sec;
        stamp.changed_ns = status.st_ctim.tv_nsec;
    }
    free(copy);
    return stamp;
}

static void take_stamps(const struct settings *settings, struct stamp stamps[FILES_MAX])
{
    const char *lists[] = {settings->tls_certificate, settings->tls_key, settings->tls_client_ca};
    unsigned n = 0;

    memset(stamps, 0, FILES_MAX * sizeof(*stamps));
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        struct slice list = slice_from_cstr(lists[i]), part;
        while (n < FILES_MAX && list.n > 0 && slice_split(&list, ',', &part))
            stamps[n++] = stamp_of(slice_trim(part));
    }
}

static double read_expiry(void *arg)
{
    struct tls_context *context = tls_files_context(arg);
    double expires_s = (double)tls_context_expires_s(context);

    tls_context_unref(context);
    return expires_s;
}

int tls_files_open(const struct settings *settings, struct tls_files **files, struct fault *fault)
{
    struct tls_files *made = xcalloc(1, sizeof(*made));

    take_stamps(settings, made->stamps);
    int err = tls_context_load(settings, &made->context, fault);
    if (err != 0) {
        free(made);
        return err;
    }
    made->settings = settings_ref(settings);
    made->loaded_ms = clock_mono_ms();
    pthread_mutex_init(&made->mutex, NULL);
    metric_gauge("tidemark_tls_certificate_expires_seconds", "",
                 "When the first certificate in use ends, in seconds since 1970.", read_expiry,
                 made);
    *files = made;
    return 0;
}

static void swap(struct tls_files *files, struct tls_context *context)
{
    struct tls_context *old;

    pthread_mutex_lock(&files->mutex);
    old = files->context;
    files->context = context;
    pthread_mutex_unlock(&files->mutex);
    tls_context_unref(old);
}

void tls_files_reload(struct tls_files *files)
{
    struct tls_context *context;
    struct fault fault = FAULT_INIT;

    take_stamps(files->settings, files->stamps);
    files->loaded_ms = clock_mono_ms();
    int err = tls_context_load(files->settings, &context, &fault);
    if (err != 0) {
        log_error("tls.reload", "the new certificates cannot be used; the old ones stay",
                  LOG_CSTR("why", fault_text(&fault, err)));
        return;
    }
    swap(files, context);
    log_info("tls.reload", "new connections use the certificates that were read now");
}

void tls_files_look(struct tls_files *files)
{
    struct stamp now[FILES_MAX];

    take_stamps(files->settings, now);
    if (memcmp(now, files->stamps, sizeof(now)) != 0 ||
        clock_mono_ms() - files->loaded_ms >= TICKET_KEY_MS)
        tls_files_reload(files);
}

struct tls_context *tls_files_context(struct tls_files *files)
{
    struct tls_context *context;

    pthread_mutex_lock(&files->mutex);
    context = tls_context_ref(files->context);
    pthread_mutex_unlock(&files->mutex);
    return context;
}

void tls_files_close(struct tls_files *files)
{
    if (files == NULL)
        return;
    tls_context_unref(files->context);
    pthread_mutex_destroy(&files->mutex);
    settings_unref(files->settings);
    free(files);
}
