/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has how many uploads, and whose must go when there are uploads.max of them.
 *
 * DESIGN: whoever begins uploads and leaves them must not keep others from pushing, so the table is
 * shared fairly among clients instead of by who came first. When it is full, a client gets room
 * from the one that has the most, if that is at least about twice as much; else from its own that
 * it has left alone for longest. What is lost that way is an upload nobody is working on, of a
 * client that holds many.
 *
 * Clients are sorted into classes by the power of two below their number of uploads, so that one
 * that has the most (but for a factor of two) is found without a look at the others.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

/* An upload that goes on in chunks is idle for a moment between two of them. */
#define OTHERS_IDLE_MS 5000u
#define OWN_IDLE_MS    60000u

struct upload_client {
    LIST_ENTRY(upload_client) in_bucket;
    LIST_ENTRY(upload_client) in_class;
    uint64_t key; /* 0: those of before a restart, whose clients are not known any more */
    unsigned count;
    struct upload_list idle; /* longest first */
};

static struct upload_client_list *bucket_of(struct uploads *uploads, uint64_t key)
{
    /* The golden ratio: addresses of one network differ in their last bits only. */
    return &uploads->clients[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - UPLOAD_CLIENT_BITS)];
}

/* 0 for none, else 1 + the power of two. */
static unsigned class_of(unsigned count)
{
    return count == 0 ? 0 : 32 - (unsigned)__builtin_clz(count);
}

static struct upload_client *find(struct uploads *uploads, uint64_t key)
{
    struct upload_client *client;

    LIST_FOREACH(client, bucket_of(uploads, key), in_bucket)
    {
        /* cppcheck-suppress uninitvar ; it cannot see through LIST_FOREACH */
        if (client->key == key)
            return client;
    }
    return NULL;
}

static void set_count(struct uploads *uploads, struct upload_client *client, unsigned count)
{
    if (class_of(client->count) != class_of(count)) {
        if (client->count > 0)
            LIST_REMOVE(client, in_class);
        if (count > 0)
            LIST_INSERT_HEAD(&uploads->classes[class_of(count)], client, in_class);
    }
    client->count = count;
}

void upload_clients_add_locked(struct upload *upload, uint64_t key)
{
    struct uploads *uploads = upload->uploads;
    struct upload_client *client = find(uploads, key);

    if (client == NULL) {
        client = xcalloc(1, sizeof(*client));
        client->key = key;
        TAILQ_INIT(&client->idle);
        LIST_INSERT_HEAD(bucket_of(uploads, key), client, in_bucket);
    }
    upload->client = client;
    set_count(uploads, client, client->count + 1);
}

void upload_clients_remove_locked(struct upload *upload)
{
    struct upload_client *client = upload->client;

    set_count(upload->uploads, client, client->count - 1);
    upload->client = NULL;
    if (client->count > 0)
        return;
    LIST_REMOVE(client, in_bucket);
    free(client);
}

void upload_idle_begin_locked(struct upload *upload)
{
    TAILQ_INSERT_TAIL(&upload->uploads->idle, upload, in_idle);
    TAILQ_INSERT_TAIL(&upload->client->idle, upload, in_client_idle);
}

void upload_idle_end_locked(struct upload *upload)
{
    TAILQ_REMOVE(&upload->uploads->idle, upload, in_idle);
    TAILQ_REMOVE(&upload->client->idle, upload, in_client_idle);
}

/* Removes the upload the client has left alone for longest, if that is long enough. */
static bool evict_of(struct upload_client *client, uint64_t least_ms)
{
    struct upload *upload = client != NULL ? TAILQ_FIRST(&client->idle) : NULL;

    if (upload == NULL || clock_mono_ms() - upload->idle_since_ms < least_ms)
        return false;
    upload_idle_end_locked(upload);
    uploads_remove_locked(upload);
    return true;
}

static struct upload_client *largest(struct uploads *uploads, unsigned above)
{
    for (unsigned class = UPLOAD_CLASSES - 1; class > above; class --) {
        if (!LIST_EMPTY(&uploads->classes[class]))
            return LIST_FIRST(&uploads->classes[class]);
    }
    return NULL;
}

bool upload_clients_evict_locked(struct uploads *uploads, uint64_t key)
{
    struct upload_client *own = find(uploads, key);
    struct upload_client *hog = largest(uploads, class_of(own != NULL ? own->count : 0) + 1);

    if (hog != NULL && hog->key != 0 && evict_of(hog, OTHERS_IDLE_MS))
        return true;
    return evict_of(find(uploads, 0), OWN_IDLE_MS) || evict_of(own, OWN_IDLE_MS);
}
