// SPDX-License-Identifier: Apache-2.0
/* Opens a GPU, prints "holding", and ends, or with an argument does not. */
#include <unistd.h>

#include "gpu.h"

int main(int argc, char **argv)
{
	(void)argv;
	gpu_open();
	puts("holding");
	fflush(stdout);
	for (; argc > 1;)
		pause();
	return 0;
}
