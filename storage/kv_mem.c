/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: an engine in memory for tests. The rows are a persistent treap (priorities from a hash of
 * the key, so its shape depends on its rows alone): a change copies the path to it and shares the
 * rest, so a snapshot, a batch and a function's transaction are each one counted pointer to a root,
 * and giving one up forgets what it changed. Readers on other threads only count references.
 *
 * Borrowed values point into rows that a later put frees: an address sanitizer build notices who
 * keeps one too long. A share of the functions' commits meets a conflict when the options say so.
 */
#include "config.h"
#include "storage/kv_engine.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What a row costs besides its bytes, so that the map size means about the same as in LMDB. */
#define ROW_OVERHEAD 16

struct row {
    atomic_uint refs;
    size_t key_n, value_n;
    char bytes[]; /* key, value */
};

struct node {
    atomic_uint refs;
    uint32_t priority;
    struct row *row;
    struct node *left, *right;
};

struct mem_tx {
    struct mem *env;
    struct node *root; /* counted */
    uint64_t bytes;
};

struct mem {
    pthread_mutex_t mutex; /* root, bytes, commits */
    struct node *root;
    uint64_t bytes;
    uint64_t commits;
    uint64_t map_size_bytes;
    unsigned conflict_percent;
    uint32_t random;
    struct mem_tx batch, function; /* the writer thread's */
};

/*
 * The treap. Functions that build take no reference from the tree they are given and return a new
 * counted root.
 */

static struct slice row_key(const struct row *row)
{
    return slice_make(row->bytes, row->key_n);
}

static struct row *row_create(struct slice key, struct slice value)
{
    struct row *row = xmalloc(sizeof(*row) + key.n + value.n);

    atomic_init(&row->refs, 1);
    row->key_n = key.n;
    row->value_n = value.n;
    memcpy(row->bytes, key.p, key.n);
    if (value.n != 0)
        memcpy(row->bytes + key.n, value.p, value.n);
    return row;
}

static struct row *row_ref(struct row *row)
{
    atomic_fetch_add(&row->refs, 1);
    return row;
}

static void row_unref(struct row *row)
{
    if (atomic_fetch_sub(&row->refs, 1) == 1)
        free(row);
}

/* Takes over the references it is given. */
static struct node *node_create(struct row *row, uint32_t priority, struct node *left,
                                struct node *right)
{
    struct node *node = xmalloc(sizeof(*node));

    atomic_init(&node->refs, 1);
    node->priority = priority;
    node->row = row;
    node->left = left;
    node->right = right;
    return node;
}

static struct node *node_ref(struct node *node)
{
    if (node != NULL)
        atomic_fetch_add(&node->refs, 1);
    return node;
}

static void node_unref(struct node *node)
{
    if (node == NULL || atomic_fetch_sub(&node->refs, 1) != 1)
        return;
    node_unref(node->left);
    node_unref(node->right);
    row_unref(node->row);
    free(node);
}

static uint32_t priority_of(struct slice key)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (uint8_t)key.p[i]) * 16777619u;
    hash ^= hash >> 16; /* the last byte alone moves only the low bits */
    hash *= 2246822519u;
    return hash ^ hash >> 13;
}

static const struct node *find(const struct node *node, struct slice key)
{
    while (node != NULL) {
        int order = slice_cmp(key, row_key(node->row));

        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* The first row at (or, exclusive, after) `key`. */
static const struct node *find_from(const struct node *node, struct slice key, bool exclusive)
{
    const struct node *best = NULL;

    while (node != NULL) {
        int order = slice_cmp(row_key(node->row), key);

        if (order > 0 || (order == 0 && !exclusive)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

static struct node *insert(const struct node *node, struct row *row, uint32_t priority)
{
    int order = node != NULL ? slice_cmp(row_key(row), row_key(node->row)) : 0;
    struct node *child, *copy;

    if (node == NULL)
        return node_create(row, priority, NULL, NULL);
    if (order == 0)
        return node_create(row, priority, node_ref(node->left), node_ref(node->right));
    child = insert(order < 0 ? node->left : node->right, row, priority);
    if (order < 0)
        copy = node_create(row_ref(node->row), node->priority, child, node_ref(node->right));
    else
        copy = node_create(row_ref(node->row), node->priority, node_ref(node->left), child);
    if (child->priority <= node->priority)
        return copy;
    /* Both are new and nobody else's: rotate in place. */
    if (order < 0) {
        copy->left = child->right;
        child->right = copy;
    } else {
        copy->right = child->left;
        child->left = copy;
    }
    return child;
}

static struct node *merge(struct node *left, struct node *right)
{
    if (left == NULL)
        return node_ref(right);
    if (right == NULL)
        return node_ref(left);
    if (left->priority > right->priority)
        return node_create(row_ref(left->row), left->priority, node_ref(left->left),
                           merge(left->right, right));
    return node_create(row_ref(right->row), right->priority, merge(left, right->left),
                       node_ref(right->right));
}

/* The key is in the tree. */
static struct node *without(const struct node *node, struct slice key)
{
    int order = slice_cmp(key, row_key(node->row));

    if (order == 0)
        return merge(node->left, node->right);
    if (order < 0)
        return node_create(row_ref(node->row), node->priority, without(node->left, key),
                           node_ref(node->right));
    return node_create(row_ref(node->row), node->priority, node_ref(node->left),
                       without(node->right, key));
}

/*
 * Store and readers.
 */

static int mem_open(const char *path, const struct kv_options *options, void **env,
                    struct fault *fault)
{
    struct mem *mem = xcalloc(1, sizeof(*mem));

    (void)path;
    (void)fault;
    pthread_mutex_init(&mem->mutex, NULL);
    mem->map_size_bytes = options->map_size_bytes;
    mem->conflict_percent = options->conflict_percent;
    mem->random = 2463534242u;
    *env = mem;
    return 0;
}

static void mem_close(void *env)
{
    struct mem *mem = env;

    node_unref(mem->root);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

static void mem_stats(void *env, struct kv_engine_stats *stats)
{
    struct mem *mem = env;

    pthread_mutex_lock(&mem->mutex);
    *stats = (struct kv_engine_stats){.map_size_bytes = mem->map_size_bytes,
                                      .used_bytes = mem->bytes,
                                      .last_commit = mem->commits};
    pthread_mutex_unlock(&mem->mutex);
}

static int mem_reader_create(void *env, void **reader)
{
    struct mem_tx *tx = xcalloc(1, sizeof(*tx));

    tx->env = env;
    *reader = tx;
    return 0;
}

static void mem_reader_destroy(void *reader)
{
    free(reader);
}

static int mem_reader_begin(void *reader, uint64_t *snapshot)
{
    struct mem_tx *tx = reader;

    pthread_mutex_lock(&tx->env->mutex);
    tx->root = node_ref(tx->env->root);
    *snapshot = tx->env->commits;
    pthread_mutex_unlock(&tx->env->mutex);
    return 0;
}

static void mem_forget(void *handle)
{
    struct mem_tx *tx = handle;

    node_unref(tx->root);
    tx->root = NULL;
}

/*
 * Batches and functions.
 */

static int mem_batch_begin(void *env, void **batch)
{
    struct mem *mem = env;

    mem->batch = (struct mem_tx){.env = mem, .root = node_ref(mem->root), .bytes = mem->bytes};
    *batch = &mem->batch;
    return 0;
}

static int mem_batch_commit(void *batch)
{
    struct mem_tx *tx = batch;
    struct mem *mem = tx->env;

    pthread_mutex_lock(&mem->mutex);
    struct node *old = mem->root;
    mem->root = tx->root;
    mem->bytes = tx->bytes;
    mem->commits++;
    pthread_mutex_unlock(&mem->mutex);
    node_unref(old);
    return 0;
}

static int mem_tx_begin(void *batch, void **handle)
{
    struct mem_tx *tx = batch;
    struct mem *mem = tx->env;

    mem->function = *tx;
    (void)node_ref(mem->function.root);
    *handle = &mem->function;
    return 0;
}

/* Not while the store is made: that is no function's. */
static bool meets_conflict(struct mem *mem)
{
    if (mem->commits == 0)
        return false;
    mem->random ^= mem->random << 13;
    mem->random ^= mem->random >> 17;
    mem->random ^= mem->random << 5;
    return mem->random % 100 < mem->conflict_percent;
}

static int mem_tx_commit(void *handle)
{
    struct mem_tx *tx = handle;
    struct mem *mem = tx->env;

    if (meets_conflict(mem)) {
        mem_forget(tx);
        return ERR_CONFLICT;
    }
    node_unref(mem->batch.root);
    mem->batch = *tx;
    return 0;
}

/*
 * Rows.
 */

static int mem_get(void *handle, struct slice key, struct slice *value)
{
    struct mem_tx *tx = handle;
    const struct node *node = find(tx->root, key);

    if (node == NULL)
        return ERR_NOT_FOUND;
    *value = slice_make(node->row->bytes + node->row->key_n, node->row->value_n);
    return 0;
}

/* Bytes the row of `key` takes now. */
static uint64_t cost_of(const struct mem_tx *tx, struct slice key)
{
    const struct node *node = find(tx->root, key);

    return node != NULL ? node->row->key_n + node->row->value_n + ROW_OVERHEAD : 0;
}

static void set_root(struct mem_tx *tx, struct node *root)
{
    node_unref(tx->root);
    tx->root = root;
}

static int mem_put(void *handle, struct slice key, struct slice value, bool append)
{
    struct mem_tx *tx = handle;
    uint64_t bytes = tx->bytes - cost_of(tx, key) + key.n + value.n + ROW_OVERHEAD;

    if (append && find_from(tx->root, key, false) != NULL)
        return ERR_CORRUPT;
    if (bytes > tx->env->map_size_bytes)
        return ERR_INDEX_FULL;
    set_root(tx, insert(tx->root, row_create(key, value), priority_of(key)));
    tx->bytes = bytes;
    return 0;
}

static int mem_del(void *handle, struct slice key)
{
    struct mem_tx *tx = handle;
    uint64_t cost = cost_of(tx, key);

    if (cost == 0)
        return ERR_NOT_FOUND;
    set_root(tx, without(tx->root, key));
    tx->bytes -= cost;
    return 0;
}

static int mem_scan_begin(void *handle, struct kv_scan *scan)
{
    (void)handle;
    (void)scan;
    return 0;
}

/* The cursor is the row given last, counted. */
static void mem_scan_end(void *handle, struct kv_scan *scan)
{
    (void)handle;
    if (scan->cursor != NULL)
        row_unref(scan->cursor);
    scan->cursor = NULL;
}

static int mem_scan_next(void *handle, struct kv_scan *scan, struct slice *key, struct slice *value)
{
    struct mem_tx *tx = handle;
    struct slice start = slice_make(scan->start, scan->start_n);
    const struct node *node;

    if (scan->cursor != NULL)
        node = find_from(tx->root, row_key(scan->cursor), true);
    else
        node = find_from(tx->root, start, scan->exclusive);
    mem_scan_end(handle, scan);
    if (node == NULL)
        return ERR_NOT_FOUND;
    scan->cursor = row_ref(node->row);
    *key = row_key(node->row);
    *value = slice_make(key->p + key->n, node->row->value_n);
    return 0;
}

const struct kv_engine kv_engine_mem = {
    .name = "mem",
    .open = mem_open,
    .close = mem_close,
    .stats = mem_stats,
    .reader_create = mem_reader_create,
    .reader_destroy = mem_reader_destroy,
    .reader_begin = mem_reader_begin,
    .reader_end = mem_forget,
    .batch_begin = mem_batch_begin,
    .batch_commit = mem_batch_commit,
    .batch_abort = mem_forget,
    .tx_begin = mem_tx_begin,
    .tx_commit = mem_tx_commit,
    .tx_abort = mem_forget,
    .get = mem_get,
    .put = mem_put,
    .del = mem_del,
    .scan_begin = mem_scan_begin,
    .scan_next = mem_scan_next,
    .scan_end = mem_scan_end,
};
