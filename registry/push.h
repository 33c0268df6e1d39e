/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two pushes that touch files and index together, from bytes in hand to durable: gate, file,
 * transaction, gate. Called on the thread of `client`; `done` runs there, never before the call
 * returned.
 */
#ifndef REGISTRY_PUSH_H
#define REGISTRY_PUSH_H

#include "registry/blob.h"
#include "registry/manifest_store.h"
#include "storage/store.h"

typedef void (*push_done_fn)(void *arg, int err, const struct fault *fault);

/* Finish an upload as `put->digest`, then commit `put`. put->size is set here. *upload is NULL when
 * `done` runs and the upload is gone; when it could not be finished (ERR_DIGEST_MISMATCH, a failed
 * file) it is still the caller's, to release or to cancel. */
void push_blob(struct store *store, struct kv_client *client, struct upload **upload,
               struct blob_put *put, push_done_fn done, void *arg);

/* The same for a few bytes in memory, valid until done. put->digest and put->size are set here. */
void push_blob_bytes(struct store *store, struct kv_client *client, struct slice bytes,
                     struct blob_put *put, push_done_fn done, void *arg);

/* `body` are the manifest's bytes, valid until done; put->body is set here: in the index up to
 * KV_VALUE_MAX, else as a blob file written first. */
void push_manifest(struct store *store, struct kv_client *client, struct slice body,
                   struct manifest_put *put, push_done_fn done, void *arg);

#endif
