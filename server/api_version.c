/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/version: what is running here.
 */
#include "config.h"

#include "server/api.h"
#include "server/handlers.h"

void api_version_get(struct request *r)
{
    struct buf body;
    struct json_writer w;

    buf_init(&body, 1024);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_text(&w, "version", SLICE(PACKAGE_VERSION));
    api_text(&w, "api", SLICE("v1"));
    json_object_end(&w);
    api_send_json(r, &body);
}
