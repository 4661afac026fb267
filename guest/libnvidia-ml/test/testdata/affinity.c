// SPDX-License-Identifier: Apache-2.0
/* Prints what is near the GPU at 0000:1b:00.0, by the sysfs in a folder: processors, then memory, of node and of socket. */
#define ORION_SYSFS "."
#include "../../affinity.c"

int nvml_device_index(nvml_device device, int *index)
{
	*index = 0;
	return device ? NVML_SUCCESS : NVML_INVALID_ARGUMENT;
}

int main(int argc, char **argv)
{
	struct session_info_device gpu = {.bus = 0x1b};
	unsigned long words[4] = {0};
	if (argc < 2 || chdir(argv[1]))
		return 1;
	if (nvmlDeviceGetCpuAffinity(&gpu, 0, words) != 2 || nvmlDeviceGetCpuAffinity(NULL, 4, words) != 2 ||
	    nvmlDeviceGetMemoryAffinity(&gpu, 4, words, 2) != 2)
		return 1;
	for (unsigned int what = 0; what < 4; what++) {
		int r = (what < 2 ? nvmlDeviceGetCpuAffinityWithinScope : nvmlDeviceGetMemoryAffinity)(&gpu, 4, words, what % 2);
		if (r)
			printf("error %d\n", r);
		else
			printf("%lx %lx %lx %lx\n", words[0], words[1], words[2], words[3]);
	}
	return 0;
}
