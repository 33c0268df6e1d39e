/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS files of the configuration, and what was read of them last. Changed files are taken
 * without a restart, also those behind a symbolic link that is swapped; files that cannot be used
 * leave what is there in use, and the log says why.
 */
#ifndef SERVER_TLS_FILES_H
#define SERVER_TLS_FILES_H

#include "server/tls_context.h"

struct tls_files;

/* Main thread, as all but tls_files_context. Takes a reference to the settings. Errors are those of
 * tls_context_load. Before the workers start, for it registers a metric. */
int tls_files_open(const struct settings *settings, struct tls_files **files,
                   struct fault *fault) MUST_CHECK;

/* Called every second: reads the files when one of them is another one or was written. */
void tls_files_look(struct tls_files *files);

/* Reads them now, changed or not. */
void tls_files_reload(struct tls_files *files);

/* Any thread: a reference to what new connections are made with. */
struct tls_context *tls_files_context(struct tls_files *files);

/* No thread asks any more. NULL is fine. */
void tls_files_close(struct tls_files *files);

#endif
