/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a digest is a hash already, so its first bytes choose a set of four places, and the place
 * used longest ago is given away: no lists, no rehashing, one short lock for each set. What this
 * process removes or replaces is dropped at once; an operator's hand in the directory is noticed
 * when a file has been kept for KEEP_MS and is opened anew.
 */
#include "config.h"
#include "storage/open_files.h"

#include "base/clock.h"
#include "base/mem.h"
#include "storage/blob_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WAYS    4u
#define KEEP_MS 10000u

struct place {
    struct digest digest;
    struct blob_file *file; /* NULL: free */
    uint64_t opened_ms, used_ms;
};

struct set {
    pthread_mutex_t mutex;
    uint64_t epoch; /* drops so far */
    struct place places[WAYS];
};

struct open_files {
    unsigned sets_n;
    struct set sets[];
};

struct open_files *open_files_create(unsigned max)
{
    unsigned n = max / WAYS;
    struct open_files *files = xcalloc(1, sizeof(*files) + n * sizeof(files->sets[0]));

    files->sets_n = n;
    for (unsigned i = 0; i < n; i++)
        pthread_mutex_init(&files->sets[i].mutex, NULL);
    return files;
}

void open_files_destroy(struct open_files *files)
{
    for (unsigned i = 0; i < files->sets_n; i++) {
        struct set *set = &files->sets[i];
        for (unsigned way = 0; way < WAYS; way++) {
            if (set->places[way].file != NULL)
                blob_file_close(set->places[way].file);
        }
        pthread_mutex_destroy(&set->mutex);
    }
    free(files);
}

static struct set *set_of(struct open_files *files, const struct digest *digest)
{
    uint32_t head;

    if (files->sets_n == 0)
        return NULL;
    memcpy(&head, digest->raw, sizeof(head));
    return &files->sets[head % files->sets_n];
}

static struct place *find_locked(struct set *set, const struct digest *digest)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct place *place = &set->places[way];
        if (place->file != NULL && digest_eq(&place->digest, digest))
            return place;
    }
    return NULL;
}

/* What was there, for the caller to let go of without the lock: a last close may take long. */
static struct blob_file *empty_locked(struct place *place)
{
    struct blob_file *file = place->file;

    place->file = NULL;
    return file;
}

static void let_go(struct blob_file *file)
{
    if (file != NULL)
        blob_file_unref(file);
}

struct blob_file *open_files_get(struct open_files *files, const struct digest *digest,
                                 struct open_files_ticket *ticket)
{
    struct set *set = set_of(files, digest);
    struct blob_file *file = NULL, *old = NULL;

    if (set == NULL)
        return NULL;
    uint64_t now = clock_coarse_ms();
    pthread_mutex_lock(&set->mutex);
    struct place *place = find_locked(set, digest);
    if (place != NULL && now - place->opened_ms > KEEP_MS) {
        old = empty_locked(place);
    } else if (place != NULL) {
        place->used_ms = now;
        file = place->file;
        blob_file_ref(file);
    }
    ticket->epoch = set->epoch;
    pthread_mutex_unlock(&set->mutex);
    let_go(old);
    return file;
}

/* A place for a file that is not there yet: a free one, or the one used longest ago. */
static struct place *choose_locked(struct set *set)
{
    struct place *best = &set->places[0];

    for (unsigned way = 0; way < WAYS; way++) {
        struct place *place = &set->places[way];
        if (place->file == NULL)
            return place;
        if (place->used_ms < best->used_ms)
            best = place;
    }
    return best;
}

void open_files_put(struct open_files *files, const struct digest *digest, struct blob_file *file,
                    const struct open_files_ticket *ticket)
{
    struct set *set = set_of(files, digest);
    struct blob_file *old = NULL;

    if (set == NULL)
        return;
    uint64_t now = clock_coarse_ms();
    pthread_mutex_lock(&set->mutex);
    if (set->epoch == ticket->epoch && find_locked(set, digest) == NULL) {
        struct place *place = choose_locked(set);
        old = empty_locked(place);
        blob_file_ref(file);
        *place = (struct place){.digest = *digest, .file = file, .opened_ms = now, .used_ms = now};
    }
    pthread_mutex_unlock(&set->mutex);
    let_go(old);
}

void open_files_drop(struct open_files *files, const struct digest *digest)
{
    struct set *set = set_of(files, digest);
    struct blob_file *old = NULL;

    if (set == NULL)
        return;
    pthread_mutex_lock(&set->mutex);
    set->epoch++;
    struct place *place = find_locked(set, digest);
    if (place != NULL)
        old = empty_locked(place);
    pthread_mutex_unlock(&set->mutex);
    let_go(old);
}
