// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include <stdio.h>

#include "cancel.h"
#include "channel.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take(uint8_t *to, uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = session.base[WIRE_CONSOLE_OFFSET + (at + i) % WIRE_CONSOLE_SIZE];
}

void console_drain(void)
{
	_Atomic uint32_t *head = region32(WIRE_STATUS_CONSOLE_HEAD), *tail = region32(WIRE_STATUS_CONSOLE_TAIL);
	if (atomic_load_explicit(head, memory_order_acquire) == atomic_load_explicit(tail, memory_order_relaxed))
		return;
	int cancel = cancel_hold();
	pthread_mutex_lock(&lock);
	uint32_t at = atomic_load(tail), end = atomic_load(head);
	region_acquire();
	while (end - at >= 4 && end - at <= WIRE_CONSOLE_SIZE) {
		uint32_t record;
		uint8_t text[2048];
		take((uint8_t *)&record, at, 4);
		uint32_t n = record & 0xffffff;
		if (n > sizeof text || n + 4 > end - at)
			break;
		take(text, at + 4, n);
		fwrite(text, 1, n, record >> 24 == 2 ? stderr : stdout);
		at += (4 + n + 3) & ~3u;
		atomic_store(tail, at);
	}
	pthread_mutex_unlock(&lock);
	cancel_allow(cancel);
}
