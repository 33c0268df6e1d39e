/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data directory with uploads on real pools and one worker's queue, and system calls that can be
 * made to wait or to fail, for the tests of uploads. One at a time.
 */
#ifndef TESTS_UNIT_UPLOAD_BENCH_H
#define TESTS_UNIT_UPLOAD_BENCH_H

#include <stdatomic.h>

#include "storage/upload.h"
#include "tests/support/pump.h"
#include "tests/support/tempdir.h"

struct bench {
    struct tempdir temp;
    struct datadir dir;
    struct pool *cpu, *io;
    struct queue *queue;
    struct blob_files *files;
    struct digest_gate *gate;
    struct upload_options options;
    struct uploads *uploads;
};

/* errno of the next calls, 0: they work. */
extern atomic_int bench_pwrite_fails, bench_fdatasync_fails, bench_fsync_fails, bench_openat_fails;
/* Bytes a pwrite takes at most; 0: all. */
extern atomic_uint bench_pwrite_max;
/* pwrite waits while set; as long a disk is slow. */
extern atomic_bool bench_pwrite_waits;
extern atomic_uint bench_fdatasyncs;
/* What fstatvfs reports as free, in MiB; 0: the truth. */
extern atomic_uint bench_free_mib;

void bench_start(struct bench *bench, uint64_t buffer_total_bytes);
void bench_stop(struct bench *bench);
/* Close the uploads and open them again; descriptors, hashes and buffers are gone in between. */
void bench_restart(struct bench *bench);

/* What an asynchronous function came to. */
struct result {
    bool called;
    int err;
    struct upload *upload;
    struct fault fault;
};

void result_set(void *arg, int err, struct upload *upload, const struct fault *fault);

/* Each starts its function, checks that `done` is not called before it returns, and waits. */
int bench_create(struct bench *bench, const char *repository, const char *identity,
                 enum digest_algorithm algorithm, struct upload **upload);
int bench_claim(struct bench *bench, const char *id, const char *repository, const char *identity,
                struct upload **upload);
int bench_flush(struct bench *bench, struct upload *upload, struct fault *fault);
int bench_finish(struct bench *bench, struct upload *upload, const struct digest *digest,
                 struct fault *fault);
int bench_cancel(struct bench *bench, struct upload *upload);

/* Write all of it, waiting for room. */
int bench_send(struct bench *bench, struct upload *upload, struct slice bytes);

/* Bytes that differ everywhere; free() them. */
char *bench_bytes(size_t n);
struct digest bench_digest(struct slice bytes, enum digest_algorithm algorithm);

/* The blob is there and has these bytes. */
bool bench_blob_is(struct bench *bench, const struct digest *digest, struct slice bytes);

/* Entries under uploads/. */
unsigned bench_files(struct bench *bench);

/* Until there are `n` uploads. */
bool bench_wait_count(struct bench *bench, unsigned n);

/* Until no upload has a buffer: the last ones are given back by threads of the pool. */
bool bench_wait_buffers(struct bench *bench);

#endif
