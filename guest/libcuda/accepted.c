// SPDX-License-Identifier: Apache-2.0
#include "accepted.h"

#include <string.h>

#include "launch.h"

enum {
	WAYS = sizeof((struct accepted *)0)->like / sizeof(uint64_t),
	ENOUGH = 64, /* of a function that is launched in ever new ways: all are taken to be right then */
};

/* In one word: threads a block in 11 bits, bytes of dynamic shared memory in 20, which attributes there are in 33. */
static uint64_t threads_of(uint64_t like) { return like >> 53; }
static uint64_t shared_of(uint64_t like) { return like >> 33 & 0xfffff; }
static uint64_t kind_of(uint64_t like) { return like & 0x1ffffffff; }

static uint64_t mix(uint64_t h, uint32_t v) { return (h ^ v) * 0x9e3779b97f4a7c15u ^ h >> 29; }

/* Of most attributes, any value is accepted where one was. */
static uint64_t like_of(const struct launch *l, const uint8_t *attributes, uint64_t count)
{
	uint64_t h = 1;
	for (uint64_t i = 0; i < count; i++, attributes += LAUNCH_ATTRIBUTE_BYTES) {
		uint32_t id, value[3];
		memcpy(&id, attributes, 4);
		memcpy(value, attributes + 8, sizeof value);
		h = mix(h, id);
		for (int v = 0; v < (id == LAUNCH_CLUSTER ? 3 : id == LAUNCH_COOPERATIVE); v++)
			h = mix(h, value[v]);
	}
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];
	return threads << 53 | (uint64_t)(l->shared & 0xfffff) << 33 | (count ? (h >> 31 | 1) : 0);
}

/* Whether the grid is of whole clusters. */
static bool whole(const struct launch *l, const uint8_t *attributes, uint64_t count)
{
	const struct function *f = function_of(l->function);
	uint32_t cluster[3];
	memcpy(cluster, f->attributes + ATTRIBUTE_CLUSTER, sizeof cluster);
	for (uint64_t i = 0; i < count; i++, attributes += LAUNCH_ATTRIBUTE_BYTES) {
		uint32_t id;
		memcpy(&id, attributes, 4);
		if (id == LAUNCH_CLUSTER)
			memcpy(cluster, attributes + 8, sizeof cluster);
	}
	for (int i = 0; i < 3; i++)
		if (cluster[i] > 1 && l->grid[i] % cluster[i])
			return false;
	return true;
}

bool accepted_like(const struct launch *l, const uint8_t *attributes, uint64_t count)
{
	struct accepted *a = &function_of(l->function)->accepted;
	uint64_t like = like_of(l, attributes, count);
	if (!whole(l, attributes, count))
		return false;
	for (int i = 0; i < WAYS; i++) {
		uint64_t old = atomic_load_explicit(&a->like[i], memory_order_relaxed);
		if (kind_of(old) == kind_of(like) && threads_of(old) >= threads_of(like) && shared_of(old) >= shared_of(like))
			return true;
	}
	return atomic_load_explicit(&a->noted, memory_order_relaxed) >= ENOUGH;
}

void accepted_note(const struct launch *l, const uint8_t *attributes, uint64_t count)
{
	struct accepted *a = &function_of(l->function)->accepted;
	uint32_t n = atomic_fetch_add_explicit(&a->noted, 1, memory_order_relaxed);
	atomic_store_explicit(&a->like[n % WAYS], like_of(l, attributes, count), memory_order_relaxed);
}

void accepted_forget(struct accepted *a)
{
	for (int i = 0; i < WAYS; i++)
		atomic_store_explicit(&a->like[i], 0, memory_order_relaxed);
}
