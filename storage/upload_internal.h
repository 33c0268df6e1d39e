/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the upload module share; nobody else includes it.
 *
 *   uploads.c        the table of all: open, close, expire, admit
 *   upload.c         what a claimer does       upload_finish.c  ... to end it as a blob
 *   upload_step.c    states, claims, the steps of asynchronous functions
 *   upload_pipe.c    buffers and the jobs that empty them
 *   upload_clients.c who has how many, and whose go when there are too many
 *
 * One mutex, uploads->mutex, guards the table, the buffers, every upload's state and its counts of
 * work. It is held for instructions, never over a system call that may wait. What it does not guard
 * belongs to one side at a time: the bytes of `filling` and `received` to the claimer; the hasher
 * to the hash lane; the descriptor and `writeback` to the write lane; everything to a single
 * job (`job`) when that is under way, as it runs only when the lanes are empty.
 */
#ifndef STORAGE_UPLOAD_INTERNAL_H
#define STORAGE_UPLOAD_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "storage/upload.h"
#include "storage/upload_meta.h"

#define UPLOAD_BUFFER_SIZE (256u * 1024)
#define UPLOAD_BUFFERS_MAX 2 /* of one upload */
#define UPLOAD_NAME_SIZE   (UPLOAD_ID_SIZE + sizeof(".meta"))
#define UPLOADS_BUCKETS    4096

/* upload_step.c's table of legal moves shows how they follow each other. */
enum upload_state {
    UPLOAD_CREATING,  /* its files are being made */
    UPLOAD_COLD,      /* nobody's; the hash of its bytes is not in memory */
    UPLOAD_REHASHING, /* claimed; its file is being hashed again */
    UPLOAD_IDLE,      /* nobody's, ready to go on */
    UPLOAD_CLAIMED,   /* a request sends bytes */
    UPLOAD_FLUSHING,  /* claimed; waits for its lanes to be empty */
    UPLOAD_FINISHING, /* claimed; digest, sync, gate, rename */
    UPLOAD_PUBLISHED, /* claimed; its file is a blob and the gate is held */
    UPLOAD_DRAINING,  /* given up by its claimer; waits for its lanes to be empty */
    UPLOAD_REMOVING,  /* its files are being removed; no longer found */
    UPLOAD_STATES
};

struct upload_buffer {
    struct pool_job hash_job, write_job;
    struct upload *upload;
    uint8_t *bytes;
    size_t n;
    uint64_t offset;
    unsigned jobs_left;         /* of the two */
    struct upload_buffer *next; /* in the cache */
};

/* Work on buffers in order: one at a time, and as many wait as an upload may have besides. */
struct upload_lane {
    struct upload_buffer *running, *waiting;
};

/* The tie between an upload and the request that claimed it. Apart from the upload, because a node
 * of it may still be in the reply queue when the claim has ended. */
struct upload_claim {
    struct pool_job job;
    bool posted;           /* job is in the reply queue */
    struct upload *upload; /* NULL when the claim has ended or never was */
    upload_done_fn done;   /* of the asynchronous function under way */
    void *done_arg;
    void (*resume)(struct upload *upload); /* its next step, when no job is under way */
    void (*wake)(void *arg);
    void *wake_arg;
    int err; /* without an upload: why not */
    struct fault fault;
};

struct upload {
    LIST_ENTRY(upload) in_bucket;
    TAILQ_ENTRY(upload) in_idle;
    TAILQ_ENTRY(upload) in_client_idle;
    TAILQ_ENTRY(upload) in_waiters;
    struct uploads *uploads;
    struct upload_client *client;
    char id[UPLOAD_ID_SIZE + 1];
    struct upload_meta meta; /* its names are in `names` */
    char *names;
    enum upload_state state;
    struct upload_claim *claim;
    unsigned jobs; /* under way on the pools */
    uint64_t idle_since_ms;

    uint64_t received; /* bytes taken from senders */
    struct hasher *hasher;
    int err; /* sticky: the upload is removed when its claim ends */
    struct fault fault;
    bool cancelled;

    struct upload_buffer *filling;
    unsigned buffers_n; /* `filling` and those in the lanes */
    uint64_t submitted; /* bytes given to the lanes */
    uint64_t written;   /* ... and are in the file */
    bool wants_room;    /* its sender waits for `wake` */
    bool waits;         /* in uploads->waiters */
    struct upload_lane hash_lane, write_lane;
    int fd;             /* opened by the first job that needs it */
    uint64_t writeback; /* bytes whose way to the disk has begun */
    bool past_cache;    /* the descriptor has O_DIRECT */
    bool never_past_cache;
    bool write_failed; /* what follows in the lane must leave no hole */

    struct pool_job job;    /* the single one: create, rehash, sync, publish, remove */
    struct hasher *again;   /* rehash: of what is in the file */
    uint64_t again_offset;  /* rehash: bytes hashed so far */
    struct digest expected; /* of upload_finish */
    struct digest_gate_pass pass;
};

#define UPLOAD_CLIENT_BITS 12
#define UPLOAD_CLASSES     33 /* of clients, by the power of two of how many uploads they have */

LIST_HEAD(upload_client_list, upload_client);
LIST_HEAD(upload_bucket, upload);
TAILQ_HEAD(upload_list, upload);

struct uploads {
    struct upload_parts parts;
    pthread_mutex_t mutex;
    pthread_cond_t quiet; /* jobs became 0 */
    struct upload_options options;
    bool stopping; /* nothing long begins or goes on */
    bool closing;
    unsigned jobs; /* of all uploads */
    unsigned count;
    struct upload_bucket buckets[UPLOADS_BUCKETS];
    struct upload_client_list clients[1 << UPLOAD_CLIENT_BITS], classes[UPLOAD_CLASSES];
    struct upload_list idle;    /* longest first */
    struct upload_list waiters; /* for a buffer; longest first */
    unsigned buffers_used;
    struct upload_buffer *cache;      /* buffers nobody uses */
    unsigned cache_n, cache_spare;    /* in the cache; never needed since the last measure */
    uint64_t free_bytes, total_bytes; /* of the disk, at the last measure */
};

/* Functions that end in _locked are called with uploads->mutex held. */

/* upload_step.c */
void upload_set_state_locked(struct upload *upload, enum upload_state state);
void upload_set_state(struct upload *upload, enum upload_state state);
struct upload_claim *upload_claim_new(struct queue *reply, upload_done_fn done, void *arg);
/* The claim ends. If it is in the reply queue it dies there. */
void upload_claim_end_locked(struct upload *upload);
/* `done` hears of an error by the way of all answers. */
void upload_refuse(struct queue *reply, upload_done_fn done, void *arg, const struct fault *fault);
/* The claimer's thread is to look at the upload. */
void upload_post_locked(struct upload *upload);
/* Failures of the moment, not of the file. */
bool upload_is_passing(int err);
/* Keeps the first failure. */
void upload_fail_locked(struct upload *upload, int err, const struct fault *fault);
/* Nothing of a DRAINING upload is under way any more. */
void upload_settle_locked(struct upload *upload);
/* An asynchronous function begins on a claimed upload, and ends. */
void upload_begin(struct upload *upload, upload_done_fn done, void *arg);
void upload_complete(struct upload *upload, int err, const struct fault *fault);
/* The end of one that leaves its caller without an upload: for the reason of its failure. */
void upload_complete_without(struct upload *upload, void (*end_locked)(struct upload *upload));
/* The next step: `resume` on the claimer's thread, when no job is under way; or run `run` before.
 */
void upload_resume_with_locked(struct upload *upload, void (*resume)(struct upload *upload));
void upload_step(struct upload *upload, struct pool *pool, void (*run)(struct pool_job *job),
                 void (*resume)(struct upload *upload));
/* Last in `run`. */
void upload_step_end(struct upload *upload, int err, const struct fault *fault);

/* upload.c: what was taken goes to the lanes, unless a failure makes it worthless. */
void upload_hand_in_locked(struct upload *upload);

/* upload_finish.c: hash the file into upload->again. */
void upload_rehash(struct upload *upload, enum digest_algorithm algorithm,
                   void (*resume)(struct upload *upload));

/* uploads.c */
void upload_file_name(const struct upload *upload, char name[UPLOAD_NAME_SIZE]);
void upload_meta_name(const struct upload *upload, char name[UPLOAD_NAME_SIZE]);
struct upload *uploads_new(struct uploads *uploads, const char *id, const struct upload_meta *meta);
/* `client`: as upload_create. */
void uploads_add_locked(struct uploads *uploads, struct upload *upload, uint64_t client);
struct upload *uploads_find_locked(struct uploads *uploads, struct slice id);
void uploads_forget_locked(struct upload *upload);
void uploads_free(struct upload *upload);
int uploads_admit_locked(const struct uploads *uploads, uint64_t incoming_bytes,
                         struct fault *fault) MUST_CHECK;
/* Remove the files; then forgotten, and freed when there is no claim. */
void uploads_remove_locked(struct upload *upload);

/* upload_clients.c: an upload counts for its client from add to remove. */
void upload_clients_add_locked(struct upload *upload, uint64_t key);
void upload_clients_remove_locked(struct upload *upload);
/* Nobody works on it from now on, or somebody does again (or it is about to be removed). */
void upload_idle_begin_locked(struct upload *upload);
void upload_idle_end_locked(struct upload *upload);
/* Make room for one more upload of the client `key`: removes an idle one. False when none may go.
 */
bool upload_clients_evict_locked(struct uploads *uploads, uint64_t key);

/* upload_pipe.c */
/* One more job; `job` or a buffer's. */
void upload_job_begin_locked(struct upload *upload, struct pool *pool, struct pool_job *job);
/* A job is over: settles or posts an upload with none left. It may be gone afterwards. */
void upload_job_end_locked(struct upload *upload);
/* Opens the data file unless it is open. Jobs only. */
int upload_file_open(struct upload *upload, struct fault *fault) MUST_CHECK;
/* Write lane, or a single job: whether what is written next goes by the page cache. */
void upload_write_past_cache(struct upload *upload, bool want);
/* Sets `filling`. ERR_AGAIN: none is free; the upload is posted when it has got one. */
int upload_buffer_get_locked(struct upload *upload, struct fault *fault) MUST_CHECK;
/* Gives `filling` to the lanes. */
void upload_submit_locked(struct upload *upload);
/* Gives `filling` back and stops waiting for one. */
void upload_buffer_drop_locked(struct upload *upload);
/* Buffers are so short that none should wait to become full. */
bool uploads_buffers_are_short_locked(const struct uploads *uploads);
/* Hand free buffers to those who wait. */
void uploads_give_buffers_locked(struct uploads *uploads);
/* Give `n` cached buffers back to the system. */
void uploads_trim_locked(struct uploads *uploads, unsigned n);
/* For uploads_close: the buffer of an upload that was never released. */
void upload_buffer_free(struct upload_buffer *buffer);

#endif
