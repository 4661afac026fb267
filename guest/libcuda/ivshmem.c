// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "ivshmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "dial.h"
#include "log.h"
#include "mapping.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_ID "0x1af4 0x1110"

/* Reads a small text file of the device, its end included. */
static bool read_text(const char *folder, const char *name, char *text, size_t room)
{
	char path[600];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n > 0;
}

static bool is_ivshmem(const char *folder)
{
	char vendor[16], device[16], id[40];
	if (!read_text(folder, "vendor", vendor, sizeof vendor) || !read_text(folder, "device", device, sizeof device))
		return false;
	snprintf(id, sizeof id, "%.*s %.*s", (int)strcspn(vendor, "\n"), vendor, (int)strcspn(device, "\n"), device);
	return !strcmp(id, PCI_ID);
}

static uint64_t hexadecimal(const char **p)
{
	uint64_t v = 0;
	*p += strspn(*p, " \t\n");
	if (!strncmp(*p, "0x", 2))
		*p += 2;
	for (; (**p >= '0' && **p <= '9') || (**p >= 'a' && **p <= 'f'); ++*p)
		v = v << 4 | (uint64_t)(**p <= '9' ? **p - '0' : **p - 'a' + 10);
	return v;
}

/* The size of BAR 2. Files' sizes do not tell it on every kernel, so it is in the table: a line for each BAR with
 * first address, last address and flags. */
static uint64_t bar_size(const char *folder)
{
	char text[2048];
	uint64_t first = 0, last = 0;
	if (!read_text(folder, "resource", text, sizeof text))
		return 0;
	const char *p = text;
	for (int bar = 0; bar <= 2; bar++) {
		first = hexadecimal(&p);
		last = hexadecimal(&p);
		hexadecimal(&p);
	}
	return last > first ? last - first + 1 : 0;
}

static int open_bar(const struct ivshmem *d, const char *file, char *why)
{
	char path[600];
	snprintf(path, sizeof path, "%s/%s", d->folder, file);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		snprintf(why, WHY_BYTES, "open %s of %s: %s%s", file, d->name, strerror(errno),
			 errno == EACCES ? ": this user may not use it; join the group orion" : "");
	return fd;
}

bool ivshmem_read(struct ivshmem *d, char *why)
{
	int fd = open_bar(d, "resource2", why);
	if (fd < 0)
		return false;
	const uint8_t *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED) {
		snprintf(why, WHY_BYTES, "map %s: %s", d->name, strerror(errno));
		return false;
	}
	uint64_t magic = get64(page, WIRE_DOM_MAGIC);
	uint32_t version = get32(page, WIRE_DOM_VERSION);
	d->port = get32(page, WIRE_DOM_PORT);
	memcpy(d->nonce, page + WIRE_DOM_NONCE, WIRE_NONCE_BYTES);
	memcpy(d->address, page + WIRE_DOM_ADDRESS, WIRE_DOM_ADDRESS_BYTES);
	d->address[WIRE_DOM_ADDRESS_BYTES - 1] = 0;
	munmap((void *)(uintptr_t)page, WIRE_PAGE_SIZE);
	if (magic != WIRE_DEVICE_MAGIC)
		snprintf(why, WHY_BYTES, "%s is not oriond's%s", d->name,
			 magic == UINT64_MAX ? ", or its memory is switched off (run /usr/lib/orion/grant-device as root)" : "");
	else if (version != WIRE_VERSION)
		snprintf(why, WHY_BYTES, "%s speaks protocol %u, this client %u: install the same release on both sides", d->name, version,
			 (unsigned)WIRE_VERSION);
	return magic == WIRE_DEVICE_MAGIC && version == WIRE_VERSION;
}

bool ivshmem_find(struct ivshmem *d, char *why)
{
	const char *folder = secure_getenv("ORION_PCI_DIR"); /* for tests */
	if (!folder || !*folder)
		folder = PCI_DEVICES;
	snprintf(why, WHY_BYTES, "there is none");
	DIR *all = opendir(folder);
	bool found = false;
	for (struct dirent *e; all && !found && (e = readdir(all));) {
		if (*e->d_name == '.' || snprintf(d->folder, sizeof d->folder, "%s/%s", folder, e->d_name) >= (int)sizeof d->folder ||
		    !is_ivshmem(d->folder))
			continue;
		snprintf(d->name, sizeof d->name, "%.63s", e->d_name);
		d->size = bar_size(d->folder);
		found = ivshmem_read(d, why);
	}
	if (all)
		closedir(all);
	return found;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Writes and reads memory for some milliseconds at most; bytes a second each. */
static void measure(uint8_t *at, double *write, double *read)
{
	enum { PIECE = 64 << 10, PIECES = 16 };
	static const double enough = 0.02;
	static uint8_t piece[PIECE];
	double start, end;
	int n;
	for (int round = 0; round < 2; round++) { /* the first finds pages that nobody has touched yet */
		start = end = seconds();
		for (n = 0; n < PIECES && end - start < enough; end = seconds()) {
			memcpy(at + n++ * PIECE, piece, PIECE);
			store_fence();
		}
	}
	*write = n * PIECE / (end - start + 1e-9);
	start = end = seconds();
	for (n = 0; n < PIECES && end - start < enough; end = seconds())
		memcpy(piece, at + n++ * PIECE, PIECE);
	*read = n * PIECE / (end - start + 1e-9);
	memset(piece, 0, sizeof piece);
}

/* Measures one file's mapping. False if it cannot be had. */
static bool try_file(const struct ivshmem *d, const char *file, uint64_t staging, double *write, double *read)
{
	enum { SAMPLE = 1 << 20 };
	char why[WHY_BYTES];
	int fd = open_bar(d, file, why);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, SAMPLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)staging);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return false;
	measure(at, write, read);
	munmap(at, SAMPLE); /* the kernel gives one range one type of caching: the next is asked for alone */
	log_line(LOG_DEBUG, "%s of %s: %.0f MB/s written, %.0f MB/s read", file, d->name, *write * 1e-6, *read * 1e-6);
	return true;
}

/* Chooses the file to map. Where both are as good, as where the host makes all memory cacheable, the strongly
 * ordered one wins. Elsewhere than on x86 that is device memory, which faults on unaligned access. */
static bool choose(const struct ivshmem *d, uint64_t staging, struct slice *s)
{
	double write[2] = {0}, read[2] = {0};
	bool strong = false, weak = try_file(d, "resource2_wc", staging, &write[1], &read[1]);
#if defined(__x86_64__)
	strong = try_file(d, "resource2", staging, &write[0], &read[0]);
#endif
	double cost[2];
	for (int i = 0; i < 2; i++)
		cost[i] = 1 / (write[i] + 1) + 1 / (read[i] + 1);
	s->weak = weak && (!strong || cost[1] < 0.8 * cost[0]);
	s->file = s->weak ? "resource2_wc" : "resource2";
	s->write_mbs = (unsigned)(write[s->weak] * 1e-6);
	s->read_mbs = (unsigned)(read[s->weak] * 1e-6);
	return strong || weak;
}

bool ivshmem_map(const struct ivshmem *d, uint64_t base, uint64_t offset, uint64_t size, struct slice *s, char *why)
{
	if (offset % WIRE_PAGE_SIZE || offset < WIRE_SLICE_OFFSET || offset > d->size || size > d->size - offset) {
		snprintf(why, WHY_BYTES, "the slice of %llu bytes at %#llx does not lie in %s, which has %llu", (unsigned long long)size,
			 (unsigned long long)offset, d->name, (unsigned long long)d->size);
		return false;
	}
	if (!choose(d, offset + WIRE_STAGE_OFFSET, s)) {
		snprintf(why, WHY_BYTES, "map %s: %s", d->name, strerror(errno));
		return false;
	}
	int fd = open_bar(d, s->file, why);
	if (fd < 0)
		return false;
	s->base = map_region(fd, base, offset, size, why);
	close(fd);
	return s->base != NULL;
}
