/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/unit/upload_bench.h"

#include <CUnit/CUnit.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

atomic_int bench_pwrite_fails, bench_fdatasync_fails, bench_fsync_fails, bench_openat_fails;
atomic_uint bench_pwrite_max, bench_fdatasyncs, bench_free_mib;
atomic_bool bench_pwrite_waits;

/* The linker leads the library's calls here (tests/unit/Makefile.inc). */
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

static int fail(const atomic_int *sys)
{
    errno = atomic_load(sys);
    return errno != 0 ? -1 : 0;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    unsigned max = atomic_load(&bench_pwrite_max);

    while (atomic_load(&bench_pwrite_waits))
        poll(NULL, 0, 1);
    if (fail(&bench_pwrite_fails) != 0)
        return -1;
    return __real_pwrite(fd, bytes, max > 0 && n > max ? max : n, offset);
}

int __wrap_fdatasync(int fd)
{
    atomic_fetch_add(&bench_fdatasyncs, 1);
    return fail(&bench_fdatasync_fails) != 0 ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    return fail(&bench_fsync_fails) != 0 ? -1 : __real_fsync(fd);
}

int __wrap_openat(int dir, const char *name, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return fail(&bench_openat_fails) != 0 ? -1 : __real_openat(dir, name, flags, mode);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    int err = __real_fstatvfs(fd, fs);

    if (err == 0 && atomic_load(&bench_free_mib) > 0)
        fs->f_bavail = ((uint64_t)atomic_load(&bench_free_mib) << 20) / fs->f_frsize;
    return err;
}

static void open_uploads(struct bench *bench)
{
    const struct upload_parts parts = {
        .dir = &bench->dir,
        .files = bench->files,
        .gate = bench->gate,
        .cpu = bench->cpu,
        .io = bench->io,
    };

    CU_ASSERT_EQUAL_FATAL(uploads_open(&parts, &bench->options, &bench->uploads, NULL), 0);
}

void bench_start(struct bench *bench, uint64_t buffer_total_bytes)
{
    char path[128];

    tempdir_make(&bench->temp);
    snprintf(path, sizeof(path), "%s/data", bench->temp.path);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &bench->dir, NULL), 0);
    bench->cpu = pool_create("cpu", 2);
    bench->io = pool_create("io", 2);
    bench->queue = queue_create();
    bench->gate = digest_gate_create();
    CU_ASSERT_EQUAL_FATAL(blob_files_open(&bench->dir, bench->io, 0, &bench->files, NULL), 0);
    bench->options = (struct upload_options){
        .buffer_total_bytes = buffer_total_bytes,
        .blob_max_bytes = UINT64_C(1) << 40,
        .count_max = 100,
        .idle_expire_s = 3600,
    };
    open_uploads(bench);
}

void bench_stop(struct bench *bench)
{
    uploads_close(bench->uploads);
    pool_run_replies(bench->queue); /* ends of claims */
    pool_destroy(bench->io);
    pool_destroy(bench->cpu);
    blob_files_close(bench->files);
    digest_gate_destroy(bench->gate);
    queue_destroy(bench->queue);
    datadir_close(&bench->dir);
    tempdir_remove(&bench->temp);
}

void bench_restart(struct bench *bench)
{
    uploads_close(bench->uploads);
    pool_run_replies(bench->queue);
    open_uploads(bench);
}

void result_set(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct result *result = arg;

    CU_ASSERT_FALSE(result->called);
    result->called = true;
    result->err = err;
    result->upload = upload;
    if (fault != NULL)
        result->fault = *fault;
    /* Who fails says why, and in the same words. */
    if (err != 0)
        CU_ASSERT_TRUE(fault != NULL && fault->code == err && fault->text[0] != '\0');
}

static int wait_for(struct bench *bench, struct result *result, struct fault *fault)
{
    CU_ASSERT_FALSE(result->called);
    CU_ASSERT_TRUE_FATAL(pump_until(bench->queue, &result->called));
    if (fault != NULL)
        *fault = result->fault;
    return result->err;
}

int bench_create(struct bench *bench, const char *repository, const char *identity,
                 enum digest_algorithm algorithm, struct upload **upload)
{
    struct result result = {0};

    upload_create(bench->uploads, slice_from_cstr(repository), slice_from_cstr(identity), 1,
                  algorithm, bench->queue, result_set, &result);
    int err = wait_for(bench, &result, NULL);
    CU_ASSERT_EQUAL(result.upload != NULL, err == 0);
    *upload = result.upload;
    return err;
}

int bench_claim(struct bench *bench, const char *id, const char *repository, const char *identity,
                struct upload **upload)
{
    struct result result = {0};

    upload_claim(bench->uploads, slice_from_cstr(id), slice_from_cstr(repository),
                 slice_from_cstr(identity), bench->queue, result_set, &result);
    int err = wait_for(bench, &result, NULL);
    CU_ASSERT_EQUAL(result.upload != NULL, err == 0);
    *upload = result.upload;
    return err;
}

int bench_flush(struct bench *bench, struct upload *upload, struct fault *fault)
{
    struct result result = {0};

    upload_flush(upload, result_set, &result);
    return wait_for(bench, &result, fault);
}

int bench_finish(struct bench *bench, struct upload *upload, const struct digest *digest,
                 struct fault *fault)
{
    struct result result = {0};

    upload_finish(upload, digest, result_set, &result);
    return wait_for(bench, &result, fault);
}

int bench_cancel(struct bench *bench, struct upload *upload)
{
    struct result result = {0};

    upload_cancel(upload, result_set, &result);
    return wait_for(bench, &result, NULL);
}

static void wake(void *arg)
{
    *(bool *)arg = true;
}

int bench_send(struct bench *bench, struct upload *upload, struct slice bytes)
{
    bool has_room = true;
    int err = 0;

    upload_set_wake(upload, wake, &has_room);
    while (err == 0 && bytes.n > 0) {
        size_t taken;

        CU_ASSERT_TRUE_FATAL(pump_until(bench->queue, &has_room));
        /* Pieces as a socket gives them. */
        struct slice piece = slice_sub(bytes, 0, 50000);
        err = upload_write(upload, piece, &taken, NULL);
        has_room = taken == piece.n;
        bytes = slice_sub(bytes, taken, bytes.n);
    }
    upload_set_wake(upload, NULL, NULL);
    return err;
}

char *bench_bytes(size_t n)
{
    char *bytes = xmalloc(n);
    uint64_t state = 88172645463325252u + n;

    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (char)state;
    }
    return bytes;
}

struct digest bench_digest(struct slice bytes, enum digest_algorithm algorithm)
{
    struct digest digest;

    digest_compute(algorithm, bytes, &digest);
    return digest;
}

bool bench_blob_is(struct bench *bench, const struct digest *digest, struct slice bytes)
{
    struct blob_file *file;

    if (blob_file_open_sync(bench->files, digest, &file, NULL) != 0)
        return false;
    char *found = xmalloc(bytes.n + 1);
    ssize_t n = pread(file->fd, found, bytes.n + 1, 0);
    bool is = n >= 0 && file->size == bytes.n && slice_eq(slice_make(found, (size_t)n), bytes);
    free(found);
    blob_file_unref(file);
    return is;
}

unsigned bench_files(struct bench *bench)
{
    DIR *list = fdopendir(openat(bench->dir.uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    unsigned n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    while (readdir(list) != NULL)
        n++;
    closedir(list);
    return n - 2; /* . and .. */
}

bool bench_wait_count(struct bench *bench, unsigned n)
{
    uint64_t end = clock_mono_ms() + PUMP_PATIENCE_MS;

    while (uploads_count(bench->uploads) != n && clock_mono_ms() < end) {
        pool_run_replies(bench->queue);
        poll(NULL, 0, 1);
    }
    return uploads_count(bench->uploads) == n;
}

bool bench_wait_buffers(struct bench *bench)
{
    uint64_t end = clock_mono_ms() + PUMP_PATIENCE_MS;

    while (uploads_buffer_bytes(bench->uploads) != 0 && clock_mono_ms() < end) {
        pool_run_replies(bench->queue);
        poll(NULL, 0, 1);
    }
    return uploads_buffer_bytes(bench->uploads) == 0;
}
