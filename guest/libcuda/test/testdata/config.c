// SPDX-License-Identifier: Apache-2.0
/* Prints what config_load made of the environment and the files. */
#include "../../config.h"

#include <stdio.h>

int main(void)
{
	struct config c;
	char message[512] = "";

	if (!config_load(&c, message, sizeof message)) {
		printf("error: %s\n", message);
		return 0;
	}
	printf("vgpus=%d gmem=%u ratio=%u cross=%d socket=%s screen=%d file=%d time=%d\n", c.vgpus, c.gmem_mib, c.ratio, c.cross_node,
	       c.socket, c.screen_level, c.file_level, c.log_time);
	return 0;
}
