/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/handlers.h"

/* distribution-spec, "Determining Support": 200 says the API is here. */
void v2_base_get(struct request *r)
{
    response_send_bytes(r, 200, "application/json", SLICE("{}"));
}
