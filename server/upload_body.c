/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/upload_body.h"

static int sink_write(void *arg, struct slice bytes, size_t *taken)
{
    struct upload_body *body = arg;
    struct fault fault = FAULT_INIT;
    int err;

    *taken = 0;
    if (bytes.n > body->max - body->received)
        err = fault_set(&fault, ERR_SIZE_INVALID, "the body is longer than its Content-Range says");
    else
        err = upload_write(body->upload, bytes, taken, &fault);
    body->received += *taken;
    if (err != 0) {
        body->receiving = false;
        body->done(body->arg, err, &fault);
    }
    return err;
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
