// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "object.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "state.h"

enum { GROW = 4096 }; /* objects made usable at a time */

struct object *objects;

/* One half of the range: ids from first on, of which the part below mapped is memory. */
static struct half {
	uint32_t first, mapped, used, free;
} client = {OBJECT_FIRST, 0, OBJECT_FIRST, 0}, worker = {OBJECT_MINTED, OBJECT_MINTED, OBJECT_MINTED, 0};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool object_mapped(uint64_t index)
{
	const struct half *h = index < OBJECT_MINTED ? &client : &worker;
	return index >= h->first && index < __atomic_load_n(&h->mapped, __ATOMIC_ACQUIRE);
}

/* Makes ids up to and including index usable. The caller holds lock. */
static bool grow(struct half *h, uint32_t index)
{
	if (!objects) {
		void *p = mmap(NULL, OBJECT_LAST * sizeof(struct object), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return false;
		__atomic_store_n(&objects, p, __ATOMIC_RELEASE);
	}
	while (index >= h->mapped) {
		uint32_t limit = h == &client ? OBJECT_MINTED : OBJECT_LAST;
		if (h->mapped + GROW > limit || mprotect(objects + h->mapped, GROW * sizeof(struct object), PROT_READ | PROT_WRITE))
			return false;
		__atomic_store_n(&h->mapped, h->mapped + GROW, __ATOMIC_RELEASE);
	}
	return true;
}

struct object *object_new(int kind)
{
	struct object *o = NULL;
	pthread_mutex_lock(&lock);
	if (client.free) {
		o = objects + client.free;
		client.free = o->next;
	} else if (grow(&client, client.used)) {
		o = objects + client.used++;
	}
	if (o) {
		memset(o, 0, sizeof *o);
		o->kind = (uint8_t)kind;
		o->context = thread.context;
	}
	pthread_mutex_unlock(&lock);
	return o;
}

void object_free(void *handle)
{
	struct object *o = handle;
	uint64_t offset = (uint64_t)(uintptr_t)handle - (uint64_t)(uintptr_t)objects;
	if (!objects || offset % sizeof *o || offset / sizeof *o >= OBJECT_LAST || !object_mapped(offset / sizeof *o))
		return;
	pthread_mutex_lock(&lock);
	if (o->kind) {
		o->kind = 0;
		o->data = NULL;
		if (offset / sizeof *o < OBJECT_MINTED) {
			o->next = client.free;
			client.free = object_id(o);
		}
	}
	pthread_mutex_unlock(&lock);
}

void *handle_from_id(int kind, uint64_t id)
{
	if (!id || id >= OBJECT_LAST)
		return NULL;
	if (id < OBJECT_MINTED)
		return object_mapped(id) && objects[id].kind == kind ? &objects[id] : NULL;
	pthread_mutex_lock(&lock);
	struct object *o = grow(&worker, (uint32_t)id) ? objects + id : NULL;
	if (o && o->kind != kind) {
		memset(o, 0, sizeof *o);
		o->kind = (uint8_t)kind;
		o->context = thread.context;
	}
	pthread_mutex_unlock(&lock);
	return o;
}

/* Aliases are few: a list. */
static struct alias {
	struct alias *next;
	void *handle;
	struct object *o;
} *aliases;

struct object *object_aliased(const void *handle)
{
	struct object *o = NULL;
	pthread_mutex_lock(&lock);
	for (const struct alias *a = aliases; a && !o; a = a->next)
		o = a->handle == handle ? a->o : NULL;
	pthread_mutex_unlock(&lock);
	return o;
}

bool object_alias(void *handle, struct object *o)
{
	uint64_t offset = (uint64_t)(uintptr_t)handle - (uint64_t)(uintptr_t)objects;
	struct alias *a = !handle || offset < OBJECT_LAST * sizeof *o || object_aliased(handle) ? NULL : malloc(sizeof *a);
	if (!a)
		return false;
	pthread_mutex_lock(&lock);
	*a = (struct alias){aliases, handle, o};
	aliases = a;
	pthread_mutex_unlock(&lock);
	return true;
}

void object_unalias(struct object *o)
{
	pthread_mutex_lock(&lock);
	struct alias **at = &aliases;
	while (*at && (*at)->o != o)
		at = &(*at)->next;
	struct alias *a = *at;
	if (a)
		*at = a->next;
	pthread_mutex_unlock(&lock);
	free(a);
}
