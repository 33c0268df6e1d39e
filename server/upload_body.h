/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request on its way into an upload, with the upload's own back pressure: when its
 * buffers are full nothing more is read, and the network slows the client. Worker thread only.
 */
#ifndef SERVER_UPLOAD_BODY_H
#define SERVER_UPLOAD_BODY_H

#include "server/request.h"
#include "storage/upload.h"

struct upload_body {
    struct request *r;
    struct upload *upload;
    uint64_t max; /* bytes that its Content-Range says; UINT64_MAX: any number */
    /* Once, never before upload_body_receive returned when there is a body. 0: all of it was taken.
     * ERR_CANCELLED: it ends early and there is nobody to answer. Others are to be answered. */
    void (*done)(void *arg, int err, const struct fault *fault);
    void *arg;
    uint64_t received; /* out */
    bool receiving;    /* its own */
};

/* The fields above are set; the upload is claimed by the caller. */
void upload_body_receive(struct upload_body *body);

#endif
