// SPDX-License-Identifier: Apache-2.0
/*
 * What the user asks for: environment, then ~/.orion/client.conf, then /etc/orion/client.conf.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct config {
	int vgpus; /* ORION_VGPU */
	unsigned gmem_mib; /* ORION_GMEM, 0 for the server's default */
	unsigned ratio; /* ORION_RATIO, 0 for the server's default */
	bool cross_node; /* ORION_CROSS_NODE */
	char socket[108]; /* ORION_SOCKET or [client] socket */
	char relay_socket[108]; /* [client] relay_socket */
	int screen_level, file_level; /* enum log_level, -1 for nothing */
	bool log_time;
};

/* Reads all sources. Returns false with the reason and the cure in message. */
bool config_load(struct config *c, char *message, size_t room);
