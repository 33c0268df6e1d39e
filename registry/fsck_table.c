/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: arrays sorted by id, searched by halves. Ids come from the store that is being checked,
 * so they index nothing: a damaged key costs a search, not memory.
 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Room for one more of `size` bytes. */
static void *grow(void *array, size_t n, size_t *max, size_t size)
{
    if (n < *max)
        return array;
    size_t wanted = *max == 0 ? 1024 : *max * 2;
    void *grown = reallocarray(array, wanted, size);
    if (grown != NULL)
        *max = wanted;
    return grown;
}

static int no_memory(struct fsck *f)
{
    return fault_set(f->fault, ERR_NO_MEMORY, "no memory for a table of the whole index");
}

int fsck_add_repository(struct fsck *f, uint64_t id, struct slice name)
{
    struct fsck_repository *grown =
        grow(f->repositories, f->repositories_n, &f->repositories_max, sizeof(*f->repositories));

    if (grown == NULL)
        return no_memory(f);
    f->repositories = grown;
    f->repositories[f->repositories_n++] =
        (struct fsck_repository){.id = id, .name = xstrndup(name.p, name.n)};
    return 0;
}

static int compare_repositories(const void *a, const void *b)
{
    const struct fsck_repository *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

void fsck_finish_repositories(struct fsck *f)
{
    if (f->repositories_n == 0)
        return;
    qsort(f->repositories, f->repositories_n, sizeof(*f->repositories), compare_repositories);
    for (size_t i = 1; i < f->repositories_n; i++)
        if (f->repositories[i - 1].id == f->repositories[i].id)
            fsck_error(f, "repositories %s and %s have the same number, %llu",
                       f->repositories[i - 1].name, f->repositories[i].name,
                       (unsigned long long)f->repositories[i].id);
}

int fsck_add_object(struct fsck *f, uint64_t id, const struct row_obj *row)
{
    struct fsck_object *grown =
        grow(f->objects, f->objects_n, &f->objects_max, sizeof(*f->objects));

    if (grown == NULL)
        return no_memory(f);
    f->objects = grown;
    f->objects[f->objects_n++] = (struct fsck_object){
        .id = id,
        .links = row->links,
        .kind = (uint8_t)row->kind,
        .state = (uint8_t)row->state,
        .store = row->store,
    };
    return 0;
}

int fsck_add_suspect(struct fsck *f, const struct row_obj *row)
{
    struct fsck_suspect *grown =
        grow(f->suspects, f->suspects_n, &f->suspects_max, sizeof(*f->suspects));

    if (grown == NULL)
        return no_memory(f);
    f->suspects = grown;
    f->suspects[f->suspects_n++] =
        (struct fsck_suspect){.digest = row->digest, .kind = (uint8_t)row->kind};
    return 0;
}

struct fsck_object *fsck_find_object(struct fsck *f, uint64_t id)
{
    size_t low = 0, high = f->objects_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (f->objects[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->objects_n && f->objects[low].id == id ? &f->objects[low] : NULL;
}

const struct fsck_repository *fsck_find_repository(const struct fsck *f, uint64_t id)
{
    const struct fsck_repository wanted = {.id = id};

    if (f->repositories_n == 0)
        return NULL;
    return bsearch(&wanted, f->repositories, f->repositories_n, sizeof(wanted),
                   compare_repositories);
}

void fsck_forget(struct fsck *f)
{
    for (size_t i = 0; i < f->repositories_n; i++)
        free(f->repositories[i].name);
    free(f->repositories);
    free(f->objects);
    free(f->suspects);
}

/*
 * Point reads.
 */

int fsck_has(struct fsck *f, struct key key, bool *has)
{
    int err;

    *has = kv_has(f->tx, key_slice(&key), &err);
    return err;
}

int fsck_get_object(struct fsck *f, uint64_t id, struct row_obj *row, bool *has)
{
    struct key key = key_obj(id);
    struct slice value;
    int err = kv_get(f->tx, key_slice(&key), &value);

    *has = err == 0 && row_obj_decode(value, row) == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int fsck_get_link(struct fsck *f, uint64_t repo, uint64_t obj, struct row_link *row, bool *has)
{
    struct key key = key_link(repo, obj);
    struct slice value;
    int err = kv_get(f->tx, key_slice(&key), &value);

    *has = err == 0 && row_link_decode(value, row) == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

const char *fsck_object_name(struct fsck *f, uint64_t id, char out[FSCK_NAME_MAX])
{
    char digest[DIGEST_TEXT_MAX];
    struct row_obj row;
    bool has;

    if (fsck_get_object(f, id, &row, &has) != 0 || !has) {
        snprintf(out, FSCK_NAME_MAX, "object %llu", (unsigned long long)id);
        return out;
    }
    digest_format(&row.digest, digest);
    snprintf(out, FSCK_NAME_MAX, "%s %s", row.kind == OBJECT_MANIFEST ? "manifest" : "blob",
             digest);
    return out;
}

const char *fsck_repository_name(const struct fsck *f, uint64_t id, char out[FSCK_NAME_MAX])
{
    const struct fsck_repository *repository = fsck_find_repository(f, id);

    if (repository != NULL)
        snprintf(out, FSCK_NAME_MAX, "repository %s", repository->name);
    else
        snprintf(out, FSCK_NAME_MAX, "repository %llu", (unsigned long long)id);
    return out;
}
