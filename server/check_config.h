/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb check-config: says whether `serve` would take the configuration, without starting
 * anything. Main thread only.
 */
#ifndef SERVER_CHECK_CONFIG_H
#define SERVER_CHECK_CONFIG_H

/* argv[0] is the verb. The exit status: 0 fine, 1 invalid configuration (or output that could not
 * be written), 2 usage. */
int check_config_run(int argc, char **argv);

#endif
