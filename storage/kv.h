/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key-value seam: domain code is functions over a transaction and never learns which engine is
 * under it (LMDB; an in-memory engine in tests).
 *
 * A function given to kv_read or kv_write is pure and may run several times: no I/O, clock,
 * randomness, logging or connection state, and everything it leaves in its `arg` is assigned anew
 * by each run. Ids come from the caller or kv_next_id, time from kv_now.
 *
 * Writes run on the one writer thread, many functions to a durable commit. Isolation is
 * serialisable over the keys read by kv_get; a scan is a snapshot without phantom protection, so
 * nothing may be decided on the emptiness of a range alone: whoever adds or removes rows that hang
 * on an object reads its obj row and calls kv_touch on it.
 */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/queue.h"
#include "base/slice.h"

enum kv_family {
#define X(enumerator, id, name) KV_##enumerator = (id),
#include "storage/family.def"
#undef X
};

/* "tag" for KV_TAG; NULL for a byte that is no family. */
const char *kv_family_name(uint8_t id);

#define KV_KEY_MAX     500        /* bytes of a key, family byte included */
#define KV_VALUE_MAX   65536      /* bytes of a value */
#define KV_ROWS_MAX    256        /* rows a write function may touch, before kv_budget_add */
#define KV_WRITTEN_MAX (1u << 20) /* bytes a write function may write */
#define KV_BATCH_MAX   256        /* functions in one commit */
#define KV_BATCH_BYTES (8u << 20) /* bytes written in one commit */
#define KV_BATCH_MS    5          /* time the functions of one commit may take */

struct kv_store;
struct kv_client;
struct kv_tx;
struct kv_engine; /* storage/kv_engine.h */

typedef int (*kv_fn)(struct kv_tx *tx, void *arg);
typedef void (*kv_done_fn)(void *arg, int err);

/* FRONT is what somebody waits for; of BACKGROUND work at most one function joins a commit. SURE is
 * FRONT for what has cost too much to be refused because many wait (bytes that are on the disk):
 * the limit of the queue does not count for it; what bounds it is the caller's. */
enum kv_lane { KV_FRONT, KV_BACKGROUND, KV_SURE };

enum kv_sequence { KV_SEQ_REPO = 1, KV_SEQ_OBJECT = 2, KV_SEQ_EVENT = 3 };

struct kv_options {
    uint64_t map_size_bytes;   /* address space of the index file */
    unsigned readers_max;      /* threads that read at once */
    unsigned queue_max;        /* functions waiting per lane; more are answered ERR_BUSY */
    unsigned conflict_percent; /* in-memory engine: share of commits that meet a conflict */
    /* LMDB: an index nobody writes (one in a backup): no file is made or changed, no lock is taken,
     * and every write is answered ERR_UNAVAILABLE. */
    bool read_only;
    /* Called on the writer thread when a commit failed in a way that forbids further writes (see
     * kv_is_writable). May be NULL. */
    void (*on_fatal)(void *arg, const struct fault *fault);
    void *on_fatal_arg;
};

extern const struct kv_engine kv_engine_lmdb;
extern const struct kv_engine kv_engine_mem;

/* Open (creating when absent) the index in directory `path` (ignored by the in-memory engine) and
 * start the writer. */
int kv_open(const struct kv_engine *engine, const char *path, const struct kv_options *options,
            struct kv_store **store, struct fault *fault) MUST_CHECK;

/* Finish queued writes, stop the writer, close. All clients must be destroyed before. */
void kv_close(struct kv_store *store);

/* False after a commit failed by an input/output error: the kernel may have dropped what it was
 * given, so this process acknowledges no write again (ERR_UNAVAILABLE); reads go on. */
bool kv_is_writable(const struct kv_store *store);

struct kv_stats {
    uint64_t map_size_bytes, used_bytes; /* of the index file */
    uint64_t front_depth, background_depth;
    uint64_t commits, functions, conflicts;
    uint64_t oldest_reader_txns; /* commits since the oldest open snapshot */
};
void kv_stats_get(struct kv_store *store, struct kv_stats *stats);

/*
 * A client belongs to one thread. Replies to its writes are pushed to `replies` as struct pool_job
 * nodes whose `done` the owner calls; see base/pool.h.
 */
struct kv_client *kv_client_create(struct kv_store *store, struct queue *replies);
/* What is still under way is waited for: its `done` is called, and so is that of everything else
 * that comes on the reply queue meanwhile. */
void kv_client_destroy(struct kv_client *client);
struct queue *kv_client_queue(struct kv_client *client);
struct kv_store *kv_client_store(struct kv_client *client);

/* The client's thread is about to wait: gives its read snapshot back. */
void kv_turn_end(struct kv_client *client);

/* Run `fn` on a snapshot, then done(arg, its result). Both usually run before kv_read returns; a
 * debug build sometimes runs both later, from the reply queue. Values read stay valid until `done`
 * returns. The snapshot is never older than the last write this client saw completed. */
void kv_read(struct kv_client *client, kv_fn fn, void *arg, kv_done_fn done);

/* Run `fn` on the writer thread and, when it returned 0, commit. done(arg, err) runs on the
 * client's thread after the commit is durable, or with the domain's error (nothing was written),
 * ERR_BUSY (queue full), ERR_UNAVAILABLE, ERR_INDEX_FULL or ERR_DISK_FULL. `done` may run before
 * kv_write returns only when nothing was queued. `arg` belongs to the writer until then. */
void kv_write(struct kv_client *client, enum kv_lane lane, kv_fn fn, void *arg, kv_done_fn done);

/* Blocking forms for start-up, process verbs and tests; never on a worker thread. */
int kv_read_sync(struct kv_store *store, kv_fn fn, void *arg) MUST_CHECK;
int kv_write_sync(struct kv_store *store, kv_fn fn, void *arg) MUST_CHECK;

/*
 * Inside a function.
 */

/* ERR_NOT_FOUND when absent. The value is borrowed; in a write function it is valid until the next
 * put or delete in it. */
int kv_get(struct kv_tx *tx, struct slice key, struct slice *value) MUST_CHECK;
bool kv_has(struct kv_tx *tx, struct slice key, int *err);
int kv_put(struct kv_tx *tx, struct slice key, struct slice value) MUST_CHECK;
/* ERR_NOT_FOUND when absent. */
int kv_del(struct kv_tx *tx, struct slice key) MUST_CHECK;
/* Count as a writer of `key` for conflict detection; nothing in a read function. */
int kv_touch(struct kv_tx *tx, struct slice key) MUST_CHECK;

/* The next number of a sequence, from 1; never given twice to committed functions. */
int kv_next_id(struct kv_tx *tx, enum kv_sequence sequence, uint64_t *id) MUST_CHECK;

/* Wall time of the transaction, ms since 1970; the same in every run of one function. */
int64_t kv_now(const struct kv_tx *tx);

/* Raise the row budget by `rows` (a manifest's descriptors). */
void kv_budget_add(struct kv_tx *tx, unsigned rows);

/* Rows with `prefix` in key order, after the key `start_after` (a whole key, exclusive; n == 0:
 * from the beginning). At most `limit` rows. No put or delete between begin and end. kv_scan_next
 * returns ERR_NOT_FOUND at the end; key and value are borrowed until the next call. */
struct kv_scan {
    struct kv_tx *tx;
    void *cursor;              /* the engine's */
    uint8_t start[KV_KEY_MAX]; /* its first prefix_n bytes are the prefix */
    size_t start_n, prefix_n;
    bool exclusive; /* the row at `start` itself is not wanted */
    bool started;
    unsigned left;
};
int kv_scan_begin(struct kv_tx *tx, struct slice prefix, struct slice start_after, unsigned limit,
                  struct kv_scan *scan) MUST_CHECK;
int kv_scan_next(struct kv_scan *scan, struct slice *key, struct slice *value) MUST_CHECK;
void kv_scan_end(struct kv_scan *scan);

/*
 * Events (storage/event.h encodes them). A staged record gets its number and its place in the hash
 * chain when the function is done; kv_put_cited writes a row with the number of the last staged
 * event, big-endian, at `offset` of the value. Cited rows cannot be read back in the same function.
 */
int kv_event(struct kv_tx *tx, struct slice record) MUST_CHECK;
int kv_put_cited(struct kv_tx *tx, struct slice key, struct slice value, size_t offset) MUST_CHECK;

/* Have fn(arg) run on the client's thread, from its reply queue, after commits that added events:
 * at least once after the last of them, at most one call under way. Reads from then on see them.
 * One watch for a client; the client must have a reply queue. */
void kv_watch(struct kv_client *client, void (*fn)(void *arg), void *arg);
/* No call comes any more. */
void kv_unwatch(struct kv_client *client);

/* Write the index, as one snapshot, to `fd`: a file or the writing end of a pipe. What is written
 * is an index file that kv_open takes, without the free pages. Blocking, any thread; writers and
 * readers go on, but until it ends the index file cannot use again the pages it frees, so one copy
 * at a time, and not a slow one. ERR_IO and others from writing to `fd` (EPIPE when the reader of a
 * pipe is gone). */
int kv_copy(struct kv_store *store, int fd) MUST_CHECK;

/* The number of the last event that is durable. Any thread. */
uint64_t kv_event_last(const struct kv_store *store);

/* The format of the index: the newest one this program knows, and the one of an open store. */
#define KV_FORMAT 1
int kv_format_get(struct kv_tx *tx, unsigned *format) MUST_CHECK;
/* In a write function: storage/migration.c, and nobody else. */
int kv_format_put(struct kv_tx *tx, unsigned format) MUST_CHECK;

/* The last number given of each sequence, as the index has it; 0: none. For checks. */
int kv_last_given(struct kv_tx *tx, uint64_t last[KV_SEQ_EVENT + 1]) MUST_CHECK;

/* Free what readers of processes that died still hold (once a minute). Any thread. */
void kv_reader_check(struct kv_store *store);

/* Rows put and deleted by the functions committed so far, per family byte (tests). */
void kv_row_counts(struct kv_store *store, uint64_t puts[256], uint64_t dels[256]);

#endif
