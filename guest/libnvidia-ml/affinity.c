// SPDX-License-Identifier: Apache-2.0
/*
 * Which processors and memory of this machine are near a GPU. They are known where the GPU is in this machine, as the
 * kernel shows it. To a GPU elsewhere, all are as near.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nvml.h"

#ifndef ORION_SYSFS
#define ORION_SYSFS "/sys" /* a test sets it */
#endif

enum { NODE_SCOPE, SOCKET_SCOPE };
enum { LONG_BITS = 8 * sizeof(unsigned long), MAX_NUMBERS = 8192 };

/* Numbers, such as those of processors: the kernel's list "0-3,8". */
struct set {
	unsigned long bits[MAX_NUMBERS / LONG_BITS];
};

static bool has(const struct set *s, unsigned int n) { return s->bits[n / LONG_BITS] >> n % LONG_BITS & 1; }

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* False if the file is not there, or names nothing. */
__attribute__((format(printf, 2, 3))) static bool read_set(struct set *s, const char *format, ...)
{
	char path[160], text[4096];
	bool any = false;
	va_list args;
	va_start(args, format);
	vsnprintf(path, sizeof path, format, args);
	va_end(args);
	memset(s, 0, sizeof *s);
	if (!read_file(path, text, sizeof text))
		return false;
	for (char *at = text; *at >= '0' && *at <= '9';) {
		unsigned long from = strtoul(at, &at, 10), to = *at == '-' ? strtoul(at + 1, &at, 10) : from;
		for (unsigned long n = from; n <= to && n < MAX_NUMBERS; n++) {
			s->bits[n / LONG_BITS] |= 1ul << n % LONG_BITS;
			any = true;
		}
		if (*at == ',')
			at++;
	}
	return any;
}

/* The GPU's folder, if it is in this machine: something of NVIDIA's at its place on the bus. */
static bool here(nvml_device device, char *folder, size_t size)
{
	char path[160], vendor[16];
	snprintf(folder, size, ORION_SYSFS "/bus/pci/devices/%04x:%02x:%02x.0", (unsigned)device->domain & 0xffff,
		 (unsigned)device->bus & 0xff, (unsigned)device->slot & 0xff);
	snprintf(path, sizeof path, "%s/vendor", folder);
	return read_file(path, vendor, sizeof vendor) && !strncmp(vendor, "0x10de", 6);
}

static int processors(nvml_device device, unsigned int scope, struct set *cpus)
{
	char folder[128];
	if (here(device, folder, sizeof folder) && read_set(cpus, "%s/local_cpulist", folder)) {
		struct set package;
		for (unsigned int n = 0; scope == SOCKET_SCOPE && n < MAX_NUMBERS; n++) {
			if (has(cpus, n)) {
				if (read_set(&package, ORION_SYSFS "/devices/system/cpu/cpu%u/topology/core_siblings_list", n))
					*cpus = package;
				break;
			}
		}
		return NVML_SUCCESS;
	}
	return read_set(cpus, ORION_SYSFS "/devices/system/cpu/online") ? NVML_SUCCESS : NVML_NOT_SUPPORTED;
}

/* Nodes of memory, by the processors that they belong to. */
static int memory_nodes(nvml_device device, unsigned int scope, struct set *nodes)
{
	struct set all, near, of_node;
	int r = processors(device, scope, &near);
	if (r)
		return r;
	if (!read_set(&all, ORION_SYSFS "/devices/system/node/has_memory") && !read_set(&all, ORION_SYSFS "/devices/system/node/online"))
		return NVML_NOT_SUPPORTED;
	memset(nodes, 0, sizeof *nodes);
	bool any = false;
	for (unsigned int n = 0; n < MAX_NUMBERS; n++) {
		if (!has(&all, n) || !read_set(&of_node, ORION_SYSFS "/devices/system/node/node%u/cpulist", n))
			continue;
		for (unsigned int i = 0; i < MAX_NUMBERS / LONG_BITS; i++) {
			if (of_node.bits[i] & near.bits[i]) {
				nodes->bits[n / LONG_BITS] |= 1ul << n % LONG_BITS;
				any = true;
				break;
			}
		}
	}
	if (!any)
		*nodes = all;
	return NVML_SUCCESS;
}

static int affinity(int (*of)(nvml_device, unsigned int, struct set *), nvml_device device, unsigned int words, unsigned long *out,
		    unsigned int scope)
{
	struct set found;
	int i, r = nvml_device_index(device, &i);
	if (!r && (!out || !words || scope > SOCKET_SCOPE))
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		r = of(device, scope, &found);
	for (unsigned int w = 0; !r && w < words; w++)
		out[w] = w < MAX_NUMBERS / LONG_BITS ? found.bits[w] : 0;
	return r;
}

EXPORT int nvmlDeviceGetCpuAffinityWithinScope(nvml_device device, unsigned int words, unsigned long *cpus, unsigned int scope)
{
	return affinity(processors, device, words, cpus, scope);
}

EXPORT int nvmlDeviceGetCpuAffinity(nvml_device device, unsigned int words, unsigned long *cpus)
{
	return affinity(processors, device, words, cpus, NODE_SCOPE);
}

EXPORT int nvmlDeviceGetMemoryAffinity(nvml_device device, unsigned int words, unsigned long *nodes, unsigned int scope)
{
	return affinity(memory_nodes, device, words, nodes, scope);
}
