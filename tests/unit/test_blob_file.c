/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/blob_file.h"
#include "tests/support/pump.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The linker leads the library's calls here (tests/unit/Makefile.inc). */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, int fd, const char *path, const void *how, size_t size);

static int fail_fsync; /* errno, or 0 */
static unsigned fsyncs;
static int fail_openat2; /* errno, or 0 */
static unsigned openat2s;

int __wrap_fsync(int fd)
{
    fsyncs++;
    if (fail_fsync == 0)
        return __real_fsync(fd);
    errno = fail_fsync;
    return -1;
}

long __wrap_syscall(long number, int fd, const char *path, const void *how, size_t size)
{
    if (number == SYS_openat2) {
        openat2s++;
        if (fail_openat2 != 0) {
            errno = fail_openat2;
            return -1;
        }
    }
    return __real_syscall(number, fd, path, how, size);
}

static struct tempdir temp;
static struct datadir dir;
static struct pool *io;
static struct queue *queue;
static struct blob_files *files;

static int set_up(void)
{
    char path[128];

    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
    if (datadir_open(path, &dir, NULL) != 0)
        return -1;
    io = pool_create("io", 2);
    queue = queue_create();
    return blob_files_open(&dir, io, 0, &files, NULL);
}

static int take_down(void)
{
    pool_destroy(io);
    queue_destroy(queue);
    blob_files_close(files);
    datadir_close(&dir);
    tempdir_remove(&temp);
    return 0;
}

static struct digest put(struct slice bytes, enum digest_algorithm algorithm)
{
    struct fault fault = FAULT_INIT;
    struct digest digest;

    digest_compute(algorithm, bytes, &digest);
    CU_ASSERT_EQUAL(blob_file_write(files, &digest, bytes, &fault), 0);
    return digest;
}

static void check_content(struct blob_file *file, struct slice expected)
{
    char bytes[64] = "";

    CU_ASSERT_EQUAL(file->size, expected.n);
    ssize_t n = pread(file->fd, bytes, sizeof(bytes), 0);
    CU_ASSERT_TRUE(n >= 0 && slice_eq(slice_make(bytes, (size_t)n), expected));
}

static void check_holds(const struct digest *digest, struct slice expected)
{
    struct fault fault = FAULT_INIT;
    struct blob_file *file;
    uint64_t size = 0;

    CU_ASSERT_EQUAL(blob_file_stat(files, digest, &size, &fault), 0);
    CU_ASSERT_EQUAL(size, expected.n);
    CU_ASSERT_EQUAL_FATAL(blob_file_open_sync(files, digest, &file, &fault), 0);
    check_content(file, expected);
    blob_file_unref(file);
}

static unsigned uploads_left(void)
{
    int fd = openat(dir.uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fdopendir(fd);
    unsigned n = 0;

    while (readdir(list) != NULL)
        n++;
    closedir(list);
    return n - 2; /* . and .. */
}

static void test_write_read(void)
{
    struct digest small = put(SLICE("hello"), DIGEST_SHA256);
    struct digest large = put(SLICE("hello"), DIGEST_SHA512);
    struct digest empty = put(SLICE(""), DIGEST_SHA256);

    check_holds(&small, SLICE("hello"));
    check_holds(&large, SLICE("hello"));
    check_holds(&empty, SLICE(""));
    CU_ASSERT_EQUAL(uploads_left(), 0);
}

static void test_path(void)
{
    struct digest digest = put(SLICE("where"), DIGEST_SHA256);
    char text[DIGEST_TEXT_MAX], path[160];
    struct stat st;

    digest_format(&digest, text);
    snprintf(path, sizeof(path), "sha256/%.2s/%s", text + 7, text + 7);
    CU_ASSERT_EQUAL(fstatat(dir.blobs_fd, path, &st, 0), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
}

static void test_absent(void)
{
    struct fault fault = FAULT_INIT;
    struct blob_file *file;
    struct digest digest;
    uint64_t size;

    digest_compute(DIGEST_SHA256, SLICE("never stored"), &digest);
    CU_ASSERT_EQUAL(blob_file_stat(files, &digest, &size, &fault), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(blob_file_open_sync(files, &digest, &file, &fault), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(blob_file_remove(files, &digest, &fault), ERR_NOT_FOUND);
}

static void test_remove(void)
{
    struct fault fault = FAULT_INIT;
    struct blob_file *file;
    uint64_t size;
    struct digest digest = put(SLICE("to be removed"), DIGEST_SHA256);

    CU_ASSERT_EQUAL_FATAL(blob_file_open_sync(files, &digest, &file, &fault), 0);
    blob_file_ref(file);
    CU_ASSERT_EQUAL(blob_file_remove(files, &digest, &fault), 0);
    CU_ASSERT_EQUAL(blob_file_stat(files, &digest, &size, &fault), ERR_NOT_FOUND);
    /* Who reads it goes on. */
    blob_file_unref(file);
    check_content(file, SLICE("to be removed"));
    blob_file_unref(file);
}

static void test_heal(void)
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, SLICE("whole"), &digest);
    CU_ASSERT_EQUAL(blob_file_write(files, &digest, SLICE("who"), NULL), 0); /* torn */
    CU_ASSERT_EQUAL(blob_file_write(files, &digest, SLICE("whole"), NULL), 0);
    check_holds(&digest, SLICE("whole"));
}

static void test_failed_sync(void)
{
    struct fault fault = FAULT_INIT;
    struct digest fresh;
    uint64_t size;
    struct digest known = put(SLICE("known"), DIGEST_SHA256);

    digest_compute(DIGEST_SHA256, SLICE("fresh"), &fresh);
    fail_fsync = EIO;
    fsyncs = 0;
    CU_ASSERT_EQUAL(blob_file_write(files, &fresh, SLICE("fresh"), &fault), ERR_IO);
    CU_ASSERT_EQUAL(fsyncs, 1); /* never again */
    CU_ASSERT_EQUAL(blob_file_stat(files, &fresh, &size, NULL), ERR_NOT_FOUND);
    /* A row may name the one that was there: it must not go. */
    CU_ASSERT_EQUAL(blob_file_write(files, &known, SLICE("known"), &fault), ERR_IO);
    CU_ASSERT_EQUAL(fsyncs, 2);
    fail_fsync = 0;
    check_holds(&known, SLICE("known"));
    CU_ASSERT_EQUAL(uploads_left(), 0);
}

static void test_lost_folder(void)
{
    struct digest digest;
    char text[DIGEST_TEXT_MAX], folder[32];

    digest_compute(DIGEST_SHA512, SLICE("folder"), &digest);
    digest_format(&digest, text);
    snprintf(folder, sizeof(folder), "sha512/%.2s", text + 7);
    CU_ASSERT_EQUAL(unlinkat(dir.blobs_fd, folder, AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(blob_file_write(files, &digest, SLICE("folder"), NULL), 0);
    check_holds(&digest, SLICE("folder"));
}

struct opened {
    bool called;
    int err;
    struct blob_file *file;
};

static void on_open(void *arg, int err, struct blob_file *file)
{
    struct opened *opened = arg;

    opened->called = true;
    opened->err = err;
    opened->file = file;
}

static void check_open_in(struct blob_files *in, const struct digest *digest, int expected,
                          struct slice content)
{
    struct opened opened = {.err = 1};

    blob_file_open(in, digest, queue, on_open, &opened);
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &opened.called));
    CU_ASSERT_EQUAL_FATAL(opened.err, expected);
    if (expected == 0) {
        check_content(opened.file, content);
        blob_file_unref(opened.file);
    } else {
        CU_ASSERT_PTR_NULL(opened.file);
    }
}

static void check_open(const struct digest *digest, int expected, struct slice content)
{
    check_open_in(files, digest, expected, content);
}

static void test_open(void)
{
    struct digest absent;
    struct digest digest = put(SLICE("opened"), DIGEST_SHA256);
    struct opened opened = {.err = 1};

    digest_compute(DIGEST_SHA256, SLICE("not there"), &absent);
    check_open(&digest, 0, SLICE("opened"));
    check_open(&absent, ERR_NOT_FOUND, SLICE(""));
    /* What the caches do not have goes through the pool: never before the call returns. */
    fail_openat2 = EAGAIN;
    blob_file_open(files, &digest, queue, on_open, &opened);
    CU_ASSERT_FALSE(opened.called);
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &opened.called));
    check_content(opened.file, SLICE("opened"));
    blob_file_unref(opened.file);
    check_open(&absent, ERR_NOT_FOUND, SLICE(""));
    fail_openat2 = EMFILE;
    check_open(&digest, ERR_BUSY, SLICE(""));
    /* A kernel without it is asked once. */
    fail_openat2 = ENOSYS;
    check_open(&digest, 0, SLICE("opened"));
    openat2s = 0;
    check_open(&digest, 0, SLICE("opened"));
    CU_ASSERT_EQUAL(openat2s, 0);
    fail_openat2 = 0;
}

struct tally {
    unsigned blobs, others, stop_after;
    uint64_t bytes;
};

static int count(const struct digest *digest, const char *name, uint64_t size, void *arg)
{
    struct tally *tally = arg;
    struct digest found;
    char text[160];

    if (digest == NULL) {
        tally->others++;
    } else {
        /* The name it is passed with is its own. */
        snprintf(text, sizeof(text), "%.6s:%s", name, name + 10);
        CU_ASSERT_EQUAL(digest_parse(slice_from_cstr(text), &found, NULL), 0);
        CU_ASSERT_TRUE(digest_eq(&found, digest));
        tally->blobs++;
        tally->bytes += size;
    }
    return tally->blobs + tally->others == tally->stop_after ? 77 : 0;
}

static void plant(const char *name)
{
    int fd = openat(dir.blobs_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
}

static void test_each(void)
{
    struct tally tally = {0}, with_more = {0}, stopped = {.stop_after = 2};

    CU_ASSERT_EQUAL(blob_file_each(files, count, &tally, NULL), 0);
    CU_ASSERT_EQUAL(tally.others, 0);
    put(SLICE("one more"), DIGEST_SHA256);
    plant("sha256/stray");
    plant("sha256/ab/short");
    /* A digest, but in another's folder. */
    plant("sha512/ab/cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    CU_ASSERT_EQUAL(mkdirat(dir.blobs_fd, "sha256/zz", 0700), 0);
    CU_ASSERT_EQUAL(blob_file_each(files, count, &with_more, NULL), 0);
    CU_ASSERT_EQUAL(with_more.blobs, tally.blobs + 1);
    CU_ASSERT_EQUAL(with_more.bytes, tally.bytes + 8);
    CU_ASSERT_EQUAL(with_more.others, 4);
    CU_ASSERT_EQUAL(blob_file_each(files, count, &stopped, NULL), 77);
    CU_ASSERT_EQUAL(stopped.blobs + stopped.others, 2);
}

static unsigned open_descriptors(void)
{
    DIR *list = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(list) != NULL)
        n++;
    closedir(list);
    return n;
}

static void test_kept_open(void)
{
    struct digest digest;
    struct blob_files *keeping;
    unsigned before = open_descriptors();

    digest_compute(DIGEST_SHA256, SLICE("kept"), &digest);
    CU_ASSERT_EQUAL_FATAL(blob_files_open(&dir, io, 8, &keeping, NULL), 0);
    CU_ASSERT_EQUAL(blob_file_write(keeping, &digest, SLICE("kept"), NULL), 0);
    openat2s = 0;
    for (unsigned i = 0; i < 3; i++)
        check_open_in(keeping, &digest, 0, SLICE("kept"));
    CU_ASSERT_EQUAL(openat2s, 1);
    /* One that is replaced, or gone, is seen at once. */
    CU_ASSERT_EQUAL(blob_file_write(keeping, &digest, SLICE("kept!"), NULL), 0);
    check_open_in(keeping, &digest, 0, SLICE("kept!"));
    CU_ASSERT_EQUAL(openat2s, 2);
    CU_ASSERT_EQUAL(blob_file_remove(keeping, &digest, NULL), 0);
    check_open_in(keeping, &digest, ERR_NOT_FOUND, SLICE(""));
    CU_ASSERT_EQUAL(open_descriptors(), before);
    /* The pool keeps what it opened, too, and no more than so many are kept. */
    fail_openat2 = EAGAIN;
    for (unsigned i = 0; i < 50; i++) {
        char text[16];
        struct slice content = slice_make(text, (size_t)snprintf(text, sizeof(text), "kept %u", i));
        put(content, DIGEST_SHA256);
        digest_compute(DIGEST_SHA256, content, &digest);
        check_open_in(keeping, &digest, 0, content);
    }
    openat2s = 0;
    check_open_in(keeping, &digest, 0, SLICE("kept 49"));
    CU_ASSERT_EQUAL(openat2s, 0);
    fail_openat2 = 0;
    CU_ASSERT_TRUE(open_descriptors() <= before + 8);
    blob_files_close(keeping);
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* The first start syncs what it makes; later ones find it made and sync nothing. */
static void test_reopen(void)
{
    struct blob_files *again;
    struct stat st;

    CU_ASSERT_EQUAL(fstatat(dir.blobs_fd, "sha256/00", &st, 0), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
    CU_ASSERT_EQUAL(fstatat(dir.blobs_fd, "sha512/ff", &st, 0), 0);
    fsyncs = 0;
    CU_ASSERT_EQUAL_FATAL(blob_files_open(&dir, io, 0, &again, NULL), 0);
    CU_ASSERT_EQUAL(fsyncs, 0);
    blob_files_close(again);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("blob_file", set_up, take_down);

    CU_add_test(suite, "written and read", test_write_read);
    CU_add_test(suite, "where files are", test_path);
    CU_add_test(suite, "absent", test_absent);
    CU_add_test(suite, "removed under a reader", test_remove);
    CU_add_test(suite, "new bytes heal old ones", test_heal);
    CU_add_test(suite, "a failed sync is not repeated", test_failed_sync);
    CU_add_test(suite, "a lost folder is made again", test_lost_folder);
    CU_add_test(suite, "opened from the caches or by the pool", test_open);
    CU_add_test(suite, "kept open", test_kept_open);
    CU_add_test(suite, "each", test_each);
    CU_add_test(suite, "opened again", test_reopen);
}
