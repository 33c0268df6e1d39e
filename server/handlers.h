/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers named in route.def, one file for each endpoint family (v2_manifest.c, ...).
 */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "server/request.h"

void v2_base_get(struct request *r);
void v2_catalog_get(struct request *r);
void v2_discover_get(struct request *r);
void v2_tags_get(struct request *r);
void v2_manifest_get(struct request *r);
void v2_manifest_put(struct request *r);
void v2_manifest_delete(struct request *r);
void v2_blob_get(struct request *r);
void v2_blob_delete(struct request *r);
void v2_uploads_post(struct request *r);
void v2_upload_get(struct request *r);
void v2_upload_patch(struct request *r);
void v2_upload_put(struct request *r);
void v2_upload_delete(struct request *r);
void v2_referrers_get(struct request *r);
void api_version_get(struct request *r);
void api_repos_get(struct request *r);
void api_repo_get(struct request *r);
void api_tags_get(struct request *r);
void api_tag_get(struct request *r);
void api_manifest_get(struct request *r);
void api_referrers_get(struct request *r);
void api_layer_get(struct request *r);
void api_events_get(struct request *r);
void api_event_stream(struct request *r); /* of api_events_get */
void api_whoami_get(struct request *r);
void api_access_get(struct request *r);
void api_access_put(struct request *r);
void api_explain_get(struct request *r);
void api_keys_get(struct request *r);
void api_users_get(struct request *r);
void api_users_post(struct request *r);
void api_user_get(struct request *r);
void api_user_patch(struct request *r);
void api_user_delete(struct request *r);
void api_groups_get(struct request *r);
void api_group_get(struct request *r);
void api_group_put(struct request *r);
void api_group_delete(struct request *r);
void api_robots_get(struct request *r);
void api_robots_post(struct request *r);
void api_robot_get(struct request *r);
void api_robot_patch(struct request *r);
void api_robot_delete(struct request *r);
void api_robot_secrets_post(struct request *r);
void api_tokens_get(struct request *r);
void api_tokens_post(struct request *r);
void api_token_get(struct request *r);
void api_token_delete(struct request *r);
void files_list_get(struct request *r);
void files_publish(struct request *r);
void files_discard(struct request *r);
void files_get(struct request *r);
void files_put(struct request *r);
void token_service_get(struct request *r);
void token_service_post(struct request *r);
void health_livez(struct request *r);
void health_readyz(struct request *r);
void health_metrics(struct request *r);

#endif
