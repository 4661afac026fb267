// SPDX-License-Identifier: Apache-2.0
/*
 * cudart asks each driver for a keyed digest over the process, the tables and the devices, and refuses to work
 * (error 103) with one that answers wrongly. Addresses and ids are those of this process, so the answer cannot
 * come from the host.
 */
#include <stddef.h>
#include <unistd.h>

#include "exporttables.h"
#include "md2.h"
#include "state.h"

static const uint8_t key[MD2_BLOCK] = {
	0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f,
};

/* The digested message: this, then one struct integrity_device for each device. Little-endian. */
struct integrity_head {
	uint32_t driver_version, version, pid, thread;
	uint64_t cudart_interface, integrity_table, function, unix_seconds;
};

struct integrity_device {
	uint8_t uuid[16];
	int32_t domain, bus, slot;
};

_Static_assert(sizeof(struct integrity_head) == 48 && sizeof(struct integrity_device) == 28, "packed as it is");

int integrity_check(uint32_t version, uint64_t unix_seconds, uint64_t answer[2])
{
	if (!answer)
		return CUDA_ERROR_INVALID_VALUE;
	if (version % 10 <= 1) {
		answer[0] = version % 10 ? 0x1841181c03cb675c : 0x3341181c03cb675c;
		answer[1] = 0x8ed383aa1f4cd1e8;
		return CUDA_SUCCESS;
	}
	int r = session_open();
	if (r)
		return r;

	struct integrity_head head = {
		.driver_version = (uint32_t)session.driver_version,
		.version = version,
		.pid = (uint32_t)getpid(),
		.thread = (uint32_t)pthread_self(),
		.cudart_interface = (uintptr_t)cudart_interface,
		.integrity_table = (uintptr_t)integrity_table,
		.function = (uintptr_t)integrity_table[1],
		.unix_seconds = unix_seconds,
	};
	struct md2 m;
	hmac_md2_init(&m, key);
	md2_update(&m, &head, sizeof head);
	for (int i = 0; i < session.device_count; i++) {
		const struct device *d = &session.devices[i];
		struct integrity_device id = {.domain = d->domain, .bus = d->bus, .slot = d->slot};
		memcpy(id.uuid, d->uuid, sizeof id.uuid);
		md2_update(&m, &id, sizeof id);
	}
	uint8_t mac[MD2_SIZE];
	hmac_md2_final(&m, key, mac);
	memcpy(answer, mac, sizeof mac);
	return CUDA_SUCCESS;
}

int integrity_enable(int enable)
{
	(void)enable;
	return CUDA_SUCCESS;
}
