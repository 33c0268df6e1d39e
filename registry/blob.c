/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/blob.h"

#include "registry/repository.h"
#include "storage/event.h"

/* The live blob of a repository; ERR_BLOB_UNKNOWN. */
static int find(struct kv_tx *tx, uint64_t repo, const struct digest *digest, struct object *object)
{
    int err = link_find(tx, repo, digest, OBJECT_BLOB, object);

    return err == ERR_NOT_FOUND ? ERR_BLOB_UNKNOWN : err;
}

int blob_get(struct kv_tx *tx, void *blob_get)
{
    struct blob_get *get = blob_get;
    struct object object;
    uint64_t repo;

    get->size = 0;
    int err = repository_find(tx, get->repository, &repo);
    if (err == 0)
        err = find(tx, repo, &get->digest, &object);
    if (err == 0)
        get->size = object.row.size;
    return err;
}

int blob_put(struct kv_tx *tx, void *blob_put)
{
    struct blob_put *put = blob_put;
    const struct event event = {
        .type = EVENT_BLOB_PUSHED,
        .actor = put->actor,
        .repository = put->repository,
        .digest = put->digest,
        .size = put->size,
    };
    const struct slice none = {NULL, 0};
    struct object object;
    bool created = false, live = false;
    uint64_t repo;

    int err = repository_ensure(tx, put->repository, put->actor, &repo);
    if (err == 0)
        err =
            object_publish(tx, &put->digest, OBJECT_BLOB, put->size, none, none, &object, &created);
    if (err == 0)
        err = link_is_live(tx, repo, object.id, &live);
    if (err != 0 || (live && !created))
        return err;
    err = event_stage(tx, &event);
    return err != 0 ? err : link_put(tx, repo, &object, &live);
}

/* The blob a mount may take: of the target itself, of `from`, or of anyone. */
static int find_source(struct kv_tx *tx, const struct blob_mount *mount, struct object *object)
{
    uint64_t repo;
    int err = repository_find(tx, mount->repository, &repo);

    if (err == 0)
        err = find(tx, repo, &mount->digest, object);
    if (err != ERR_NAME_UNKNOWN && err != ERR_BLOB_UNKNOWN)
        return err;
    if (mount->from.n == 0) {
        err = object_find(tx, &mount->digest, OBJECT_BLOB, object);
        if (err == 0 && (object->row.state != OBJECT_LIVE || object->row.links == 0))
            err = ERR_NOT_FOUND;
        return err == ERR_NOT_FOUND ? ERR_BLOB_UNKNOWN : err;
    }
    err = repository_find(tx, mount->from, &repo);
    if (err == 0)
        err = find(tx, repo, &mount->digest, object);
    return err == ERR_NAME_UNKNOWN ? ERR_BLOB_UNKNOWN : err;
}

struct source_walk {
    struct kv_tx *tx;
    struct blob_source *source;
    unsigned candidates, names;
};

#define SOURCE_FOUND  1
#define SOURCE_ENOUGH 2

static int look_in(struct slice name, uint64_t repo, void *arg)
{
    struct source_walk *walk = arg;
    struct blob_source *source = walk->source;
    struct object object;

    if (walk->names == BLOB_SOURCE_NAMES || walk->candidates == BLOB_SOURCE_CANDIDATES)
        return SOURCE_ENOUGH;
    walk->names++;
    if (!source->may_pull(name, source->arg))
        return 0;
    walk->candidates++;
    int err = find(walk->tx, repo, &source->digest, &object);
    if (err != 0)
        return err == ERR_BLOB_UNKNOWN ? 0 : err;
    source->found = arena_dup(source->arena, name);
    return source->found.p != NULL ? SOURCE_FOUND : ERR_NO_MEMORY;
}

/* "team/" of "team/app": what shares layers stands together. */
static struct slice namespace_of(struct slice name)
{
    while (name.n > 0 && name.p[name.n - 1] != '/')
        name.n--;
    return name;
}

/* What the target has itself is found here, too: it needs no other right. */
int blob_find_source(struct kv_tx *tx, void *blob_source)
{
    struct blob_source *source = blob_source;
    struct source_walk walk = {.tx = tx, .source = source};
    struct slice near = namespace_of(source->repository);

    source->found = slice_make(NULL, 0);
    int err = repository_list(tx, near, BLOB_SOURCE_NAMES / 2, look_in, &walk);
    if (err == 0 && near.n > 0)
        err = repository_list(tx, SLICE(""), BLOB_SOURCE_NAMES / 2, look_in, &walk);
    if (err == SOURCE_FOUND)
        return 0;
    return err < 0 ? err : ERR_BLOB_UNKNOWN;
}

int blob_mount(struct kv_tx *tx, void *blob_mount)
{
    struct blob_mount *mount = blob_mount;
    struct event event = {
        .type = EVENT_BLOB_MOUNTED,
        .actor = mount->actor,
        .repository = mount->repository,
        .digest = mount->digest,
        .from = mount->from,
    };
    struct object object;
    uint64_t repo;
    bool live;

    mount->size = 0;
    int err = find_source(tx, mount, &object);
    if (err == 0)
        err = repository_ensure(tx, mount->repository, mount->actor, &repo);
    if (err == 0)
        err = link_is_live(tx, repo, object.id, &live);
    if (err != 0)
        return err;
    mount->size = event.size = object.row.size;
    if (live)
        return 0;
    err = event_stage(tx, &event);
    return err != 0 ? err : link_put(tx, repo, &object, &live);
}

int blob_delete(struct kv_tx *tx, void *blob_delete)
{
    struct blob_delete *del = blob_delete;
    struct event event = {
        .type = EVENT_BLOB_DELETED,
        .actor = del->actor,
        .repository = del->repository,
        .digest = del->digest,
    };
    struct object object;
    uint64_t repo;

    del->holders = (struct holders){0};
    int err = repository_find(tx, del->repository, &repo);
    if (err == 0)
        err = link_find_stored(tx, repo, &del->digest, OBJECT_BLOB, &object);
    if (err == ERR_NOT_FOUND)
        return ERR_BLOB_UNKNOWN;
    if (err == 0)
        err = link_holders(tx, repo, object.id, &del->holders);
    if (err != 0)
        return err;
    if (del->holders.n > 0 || del->holders.more)
        return ERR_BLOB_IN_USE;
    event.size = object.row.size;
    err = event_stage(tx, &event);
    return err != 0 ? err : link_trash(tx, repo, &object, del->grace_ms);
}
