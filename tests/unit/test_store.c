/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "base/pool.h"
#include "storage/store.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stands before the C library's, for LMDB too: a disk that fails when it is told to. */
static atomic_bool sync_fails;

int fdatasync(int fd)
{
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* Of LMDB's descriptors the one that writes through is for the page that completes a commit. */
static atomic_bool meta_fails;

static ssize_t do_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    if (atomic_load(&meta_fails) && (fcntl(fd, F_GETFL) & O_DSYNC) != 0) {
        errno = EIO;
        return -1;
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return do_pwrite(fd, bytes, n, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    return do_pwrite(fd, bytes, n, offset);
}

static struct tempdir temp;
static char path[128];
static atomic_uint fatals;

static void on_fatal(void *arg, const struct fault *fault)
{
    /* The marker was left before. */
    if (fault != NULL && datadir_is_marked(arg))
        atomic_fetch_add(&fatals, 1);
}

static struct store_options options_for(struct store *store)
{
    return (struct store_options){
        .path = path,
        .kv = {.map_size_bytes = 16u << 20,
               .readers_max = 16,
               .queue_max = 16,
               .on_fatal = on_fatal,
               .on_fatal_arg = &store->dir},
        .uploads = {.buffer_total_bytes = 1u << 20, .blob_max_bytes = 1u << 20, .count_max = 10},
        .cpu_threads = 1,
        .io_threads = 1,
    };
}

static void begin(void)
{
    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
    atomic_store(&fatals, 0);
}

static int put_one(struct kv_tx *tx, void *arg)
{
    const uint8_t key[] = {KV_META, 't', 'e', 's', 't'};

    return kv_put(tx, slice_make(key, sizeof(key)), slice_from_cstr(arg));
}

static int get_one(struct kv_tx *tx, void *arg)
{
    const uint8_t key[] = {KV_META, 't', 'e', 's', 't'};
    struct slice value;
    int err = kv_get(tx, slice_make(key, sizeof(key)), &value);

    *(bool *)arg = err == 0 && slice_eq(value, SLICE("value"));
    return err;
}

struct client_read {
    bool is_there, is_done;
    int err;
};

static int get_for_client(struct kv_tx *tx, void *arg)
{
    struct client_read *one = arg;

    return get_one(tx, &one->is_there);
}

static void client_done(void *arg, int err)
{
    struct client_read *one = arg;

    one->is_done = true;
    one->err = err;
}

static void read_with(struct kv_client *client)
{
    struct client_read one = {0};

    kv_read(client, get_for_client, &one, client_done);
    /* A debug build may answer later. */
    while (!one.is_done) {
        struct queue_node *node = queue_take_all(kv_client_queue(client));
        while (node != NULL) {
            struct pool_job *job = CONTAINER_OF(node, struct pool_job, node);
            node = node->next;
            job->done(job);
        }
    }
    CU_ASSERT_EQUAL(one.err, 0);
    CU_ASSERT_TRUE(one.is_there);
    kv_turn_end(client);
}

static void test_open(void)
{
    struct fault fault = FAULT_INIT;
    char value[] = "value";
    bool is_there = false;
    struct store store, second;

    begin();
    struct store_options options = options_for(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, value), 0);
    CU_ASSERT_EQUAL(uploads_count(store.uploads), 0);
    CU_ASSERT_EQUAL(store_open(&options, &second, &fault), ERR_LOCKED);
    store_close(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_EQUAL(kv_read_sync(store.kv, get_one, &is_there), 0);
    CU_ASSERT_TRUE(is_there);
    store_close(&store);
    tempdir_remove(&temp);
}

/* Whatever cannot be opened, nothing stays open: the lock is free again. */
static void test_failed_open(void)
{
    struct fault fault = FAULT_INIT;
    struct store store;
    char file[160];

    begin();
    struct store_options options = options_for(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    store_close(&store);
    snprintf(file, sizeof(file), "%s/index/data.mdb", path);
    int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(fd, "no database at all", 18), 18);
    close(fd);
    CU_ASSERT_NOT_EQUAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_NOT_EQUAL(fault.code, 0);
    CU_ASSERT_EQUAL(unlink(file), 0);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    store_close(&store);
    tempdir_remove(&temp);
}

static void test_fatal(void)
{
    struct fault fault = FAULT_INIT;
    char value[] = "value";
    struct store store;

    begin();
    struct store_options options = options_for(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_FALSE(datadir_is_marked(&store.dir));
    atomic_store(&sync_fails, true);
    CU_ASSERT_NOT_EQUAL(kv_write_sync(store.kv, put_one, value), 0);
    atomic_store(&sync_fails, false);
    CU_ASSERT_EQUAL(atomic_load(&fatals), 1);
    CU_ASSERT_FALSE(kv_is_writable(store.kv));
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, value), ERR_UNAVAILABLE);
    store_close(&store);
    /* The next start sees it, and leaves it to whoever checks the index. */
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_TRUE(datadir_is_marked(&store.dir));
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, value), 0);
    store_close(&store);
    tempdir_remove(&temp);
}

/* Readers go on: one that was there before, and new ones. */
static void test_fatal_in_last_page(void)
{
    struct fault fault = FAULT_INIT;
    char value[] = "value", other[] = "other";
    bool is_there = false;
    struct store store;

    begin();
    struct store_options options = options_for(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    struct queue *replies = queue_create();
    struct kv_client *client = kv_client_create(store.kv, replies);
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, value), 0);
    read_with(client);
    atomic_store(&meta_fails, true);
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, other), ERR_UNAVAILABLE);
    atomic_store(&meta_fails, false);
    CU_ASSERT_EQUAL(atomic_load(&fatals), 1);
    for (int i = 0; i < 3; i++) {
        read_with(client);
        is_there = false;
        CU_ASSERT_EQUAL(kv_read_sync(store.kv, get_one, &is_there), 0);
        CU_ASSERT_TRUE(is_there);
        CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, other), ERR_UNAVAILABLE);
    }
    kv_client_destroy(client);
    queue_destroy(replies);
    store_close(&store);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_EQUAL(kv_read_sync(store.kv, get_one, &is_there), 0);
    CU_ASSERT_TRUE(is_there);
    store_close(&store);
    tempdir_remove(&temp);
}

/* What a power cut in a first start leaves of an index that was not synced. */
static void tear_index(off_t size)
{
    char file[160];

    snprintf(file, sizeof(file), "%s/index/data.mdb", path);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
    CU_ASSERT_EQUAL(ftruncate(fd, size), 0);
    close(fd);
}

static void test_torn_at_birth(void)
{
    const off_t rowless = 2 * (off_t)sysconf(_SC_PAGESIZE);
    struct fault fault = FAULT_INIT;
    char value[] = "value";
    struct datadir dir;
    struct store store;

    begin();
    struct store_options options = options_for(&store);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    /* Nothing was acknowledged yet: it begins anew. */
    tear_index(rowless);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, &fault), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store.kv, put_one, value), 0);
    store_close(&store);
    /* Later it is a loss, and is told. */
    tear_index(rowless);
    CU_ASSERT_NOT_EQUAL(store_open(&options, &store, &fault), 0);
    tempdir_remove(&temp);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("store", NULL, NULL);

    CU_add_test(suite, "opened, locked, opened again", test_open);
    CU_add_test(suite, "what fails leaves nothing open", test_failed_open);
    CU_add_test(suite, "an index torn at its birth", test_torn_at_birth);
    CU_add_test(suite, "a failed commit leaves the marker", test_fatal);
    CU_add_test(suite, "reads go on after a failed write of a commit's last page",
                test_fatal_in_last_page);
}
