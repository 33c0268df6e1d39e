/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads in progress: a data file and a sidecar (repository, identity, algorithm) under uploads/,
 * not rows. Bytes received are hashed (cpu pool) and written (io pool) side by side from at most
 * two 256 KiB buffers per upload, taken from a fixed total; what does not fit makes the sender
 * wait.
 *
 * An upload is claimed by one request at a time; between claim and release only the claimer's
 * thread calls functions on it, and completions come on the claim's reply queue. After a restart an
 * upload continues at the bytes its file has; they are hashed again on the pool at the first claim.
 * Idle uploads expire; there is a maximum number of them, shared fairly among clients: when it is
 * reached, one that nobody works on makes room, of the client that has the most.
 *
 * At most one asynchronous function per upload may be under way (create, claim, flush, finish,
 * cancel). `done` never runs before the function returned.
 */
#ifndef STORAGE_UPLOAD_H
#define STORAGE_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/pool.h"
#include "storage/blob_file.h"
#include "storage/datadir.h"
#include "storage/digest_gate.h"

struct uploads;
struct upload;

#define UPLOAD_ID_SIZE 32 /* lower-case hex of 128 random bits */

struct upload_options {
    uint64_t buffer_total_bytes; /* of all uploads together */
    uint64_t blob_max_bytes;     /* of one blob */
    unsigned count_max;          /* uploads at once */
    unsigned idle_expire_s;
    uint64_t reserve_bytes; /* free disk below which new bytes are refused (ERR_DISK_FULL) */
};

struct upload_parts {
    const struct datadir *dir;
    struct blob_files *files;
    struct digest_gate *gate;
    struct pool *cpu, *io;
};

/* Reads the sidecars that survived; a damaged pair is removed with a log line. */
int uploads_open(const struct upload_parts *parts, const struct upload_options *options,
                 struct uploads **uploads, struct fault *fault) MUST_CHECK;
void uploads_close(struct uploads *uploads);

/* The server stops: hashing files again, which may take minutes, ends with ERR_SHUTDOWN. */
void uploads_stop(struct uploads *uploads);

/* New limits after a reload. Main thread. */
void uploads_set_options(struct uploads *uploads, const struct upload_options *options);

/* Remove uploads idle for longer than the limit, a few thousand at most; main calls it each second
 * (files go by the io pool). */
void uploads_expire(struct uploads *uploads);

unsigned uploads_count(struct uploads *uploads);
uint64_t uploads_buffer_bytes(struct uploads *uploads);

/* Measured free disk, kept fresh by main once a second: ERR_DISK_FULL below the reserve, with
 * numbers in `fault`. `incoming_bytes` is what is about to come when known, else 0. Any thread. */
int uploads_admit(struct uploads *uploads, uint64_t incoming_bytes, struct fault *fault) MUST_CHECK;
void uploads_measure(struct uploads *uploads);

typedef void (*upload_done_fn)(void *arg, int err, struct upload *upload,
                               const struct fault *fault);

/* Begin an upload; it is claimed by the caller. `client` is who asks (not 0), for the sharing of
 * uploads.max: a number for each network address. ERR_UPLOAD_LIMIT, ERR_DISK_FULL, ERR_BUSY. */
void upload_create(struct uploads *uploads, struct slice repository, struct slice identity,
                   uint64_t client, enum digest_algorithm algorithm, struct queue *reply,
                   upload_done_fn done, void *arg);

/* Continue one. ERR_UPLOAD_UNKNOWN (also for another repository or identity), ERR_UPLOAD_BUSY. */
void upload_claim(struct uploads *uploads, struct slice id, struct slice repository,
                  struct slice identity, struct queue *reply, upload_done_fn done, void *arg);

/* How far an upload is, whoever writes to it: without a claim, so without hashing again what a
 * restart has left. Errors as upload_claim, but never BUSY. */
int upload_peek(struct uploads *uploads, struct slice id, struct slice repository,
                struct slice identity, uint64_t *offset, struct fault *fault) MUST_CHECK;

/* End the claim; the upload stays for a later request. After a failure of its file it is removed.
 * Work under way is waited for by the upload itself, not by the caller. */
void upload_release(struct upload *upload);

/* UPLOAD_ID_SIZE characters, no NUL; borrowed. */
struct slice upload_id(const struct upload *upload);
enum digest_algorithm upload_algorithm(const struct upload *upload);

/* Bytes received so far, buffered ones included. */
uint64_t upload_offset(const struct upload *upload);

/* Take bytes from the sender: *taken of them (copied). 0 with *taken < bytes.n: buffers are full;
 * `wake` (set below) runs when there is room again. ERR_BLOB_TOO_LARGE, ERR_DISK_FULL, ERR_IO: the
 * failure stays; release or cancel. */
int upload_write(struct upload *upload, struct slice bytes, size_t *taken,
                 struct fault *fault) MUST_CHECK;
/* Take bytes without a copy: at most *n of them may be put at *bytes, and upload_filled says at
 * once how many were. *n 0: as a *taken of 0. Errors as upload_write. */
int upload_room(struct upload *upload, void **bytes, size_t *n, struct fault *fault) MUST_CHECK;
void upload_filled(struct upload *upload, size_t n);
void upload_set_wake(struct upload *upload, void (*wake)(void *arg), void *arg);

/* All bytes taken are hashed and in the file (not synced): before a PATCH is answered. */
void upload_flush(struct upload *upload, upload_done_fn done, void *arg);

/* The digest of all bytes, with the upload's algorithm: after upload_flush, and no byte may follow;
 * then it is to be finished or cancelled. */
void upload_digest(struct upload *upload, struct digest *digest);

/* Flush, compare with `digest` (ERR_DIGEST_MISMATCH says both; another algorithm than the upload's
 * hashes the file again), fdatasync, enter the digest gate, publish the file. On success the gate
 * is held: the caller commits the index rows and calls upload_published. On ERR_DIGEST_MISMATCH the
 * upload stays and can be released or cancelled; other errors remove it at release. */
void upload_finish(struct upload *upload, const struct digest *digest, upload_done_fn done,
                   void *arg);

/* Leaves the gate and forgets the upload (the pointer dies). */
void upload_published(struct upload *upload);

/* Remove the files and forget the upload (the pointer dies when `done` has run). */
void upload_cancel(struct upload *upload, upload_done_fn done, void *arg);

#endif
