/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/upload_body.h"

static int too_long(struct fault *fault)
{
    return fault_set(fault, ERR_SIZE_INVALID, "the body is longer than its Content-Range says");
}

static int sink_result(struct upload_body *body, int err, const struct fault *fault)
{
    if (err != 0) {
        body->receiving = false;
        body->done(body->arg, err, fault);
    }
    return err;
}

static int sink_write(void *arg, struct slice bytes, size_t *taken)
{
    struct upload_body *body = arg;
    struct fault fault = FAULT_INIT;
    int err;

    *taken = 0;
    if (bytes.n > body->max - body->received)
        err = too_long(&fault);
    else
        err = upload_write(body->upload, bytes, taken, &fault);
    body->received += *taken;
    return sink_result(body, err, &fault);
}

static int sink_room(void *arg, void **bytes, size_t *n)
{
    struct upload_body *body = arg;
    struct fault fault = FAULT_INIT;
    uint64_t left = body->max - body->received;

    if (left == 0)
        return sink_result(body, too_long(&fault), &fault);
    if (*n > left)
        *n = (size_t)left;
    return sink_result(body, upload_room(body->upload, bytes, n, &fault), &fault);
}

static int sink_filled(void *arg, size_t n)
{
    struct upload_body *body = arg;

    body->received += n;
    upload_filled(body->upload, n);
    return 0;
}

static void sink_end(void *arg)
{
    struct upload_body *body = arg;

    body->receiving = false;
    body->done(body->arg, 0, NULL);
}

static void sink_abort(void *arg, int err)
{
    struct upload_body *body = arg;

    (void)err;
    body->receiving = false;
    body->done(body->arg, ERR_CANCELLED, NULL);
}

static void wake(void *arg)
{
    struct upload_body *body = arg;

    if (body->receiving)
        request_body_resume(body->r);
}

static const struct body_sink sink = {
    .write = sink_write,
    .room = sink_room,
    .filled = sink_filled,
    .end = sink_end,
    .abort = sink_abort,
};

void upload_body_receive(struct upload_body *body)
{
    body->received = 0;
    if (!body->r->has_body) {
        body->done(body->arg, 0, NULL);
        return;
    }
    body->receiving = true;
    upload_set_wake(body->upload, wake, body);
    request_accept_body(body->r, &sink, body);
}
