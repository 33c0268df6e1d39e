/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tidemark serve`: the life of the server process.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

/* The verb; argv[0] is its name. 0 after SIGTERM or SIGINT, 1 when it could not start or store, 2
 * usage. */
int serve_run(int argc, char **argv);

#endif
