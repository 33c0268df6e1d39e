/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/handlers.h"

/* distribution-spec extensions/_oci.md: which extensions this registry has. */
void v2_discover_get(struct request *r)
{
    static const char body[] = "{\"extensions\":[{\"name\":\"_oci\","
                               "\"description\":\"lists the extensions of this registry\","
                               "\"url\":\"https://github.com/opencontainers/distribution-spec/blob/"
                               "main/extensions/_oci.md\","
                               "\"endpoints\":[\"_oci/ext/discover\"]}]}";

    response_send_bytes(r, 200, "application/json", slice_make(body, sizeof(body) - 1));
}
