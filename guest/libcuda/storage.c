// SPDX-License-Identifier: Apache-2.0
/*
 * Context-local storage: each copy of cudart and each library above it keeps its state of a context here, and
 * looks it up in nearly every call. A context holds a handful of entries, so a list is quick enough.
 */
#include <stdlib.h>

#include "context.h"
#include "exporttables.h"
#include "state.h"

/* Destructors may put again; as with pthread keys, that is followed this often. */
enum { CLEAR_ROUNDS = 4 };

struct storage_entry {
	struct storage_entry *next; /* older */
	void *key, *value;
	storage_destructor destructor;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all lists; never held while a destructor runs */

static int storage_context(void *handle, struct context **c)
{
	int r = handle ? enter() : enter_context();
	if (r)
		return r;
	struct object *o = handle ? object_get(handle, KIND_CTX) : thread.context;
	*c = o ? context_of(o) : NULL;
	return *c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

/* The link that points to a key's entry, or to NULL at the end. */
static struct storage_entry **storage_find(struct context *c, const void *key)
{
	struct storage_entry **link = &c->storage;
	while (*link && (*link)->key != key)
		link = &(*link)->next;
	return link;
}

int storage_put(void *context, void *key, void *value, storage_destructor destructor)
{
	struct context *c;
	int r = storage_context(context, &c);
	if (r)
		return r;
	struct storage_entry *fresh = malloc(sizeof *fresh);
	if (!fresh)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	struct storage_entry *e = *storage_find(c, key);
	if (!e) {
		*fresh = (struct storage_entry){.next = c->storage, .key = key};
		c->storage = e = fresh;
		fresh = NULL;
	}
	e->value = value;
	e->destructor = destructor;
	pthread_mutex_unlock(&lock);
	free(fresh);
	return CUDA_SUCCESS;
}

int storage_delete(void *context, void *key)
{
	struct context *c;
	int r = storage_context(context, &c);
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	struct storage_entry **link = storage_find(c, key), *e = *link;
	if (e)
		*link = e->next;
	pthread_mutex_unlock(&lock);
	free(e);
	return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

int storage_get(void **value, void *context, void *key)
{
	struct context *c;
	int r = storage_context(context, &c);
	if (r)
		return r;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	struct storage_entry *e = *storage_find(c, key);
	if (e)
		*value = e->value;
	pthread_mutex_unlock(&lock);
	return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static struct storage_entry *storage_take(struct context *c)
{
	pthread_mutex_lock(&lock);
	struct storage_entry *e = c->storage;
	c->storage = NULL;
	pthread_mutex_unlock(&lock);
	return e;
}

/* What was put last is destroyed first. What is put after the last round is dropped, not leaked. */
void storage_clear(struct object *context)
{
	struct storage_entry *e;

	for (int round = 0; round <= CLEAR_ROUNDS; round++) {
		for (e = storage_take(context_of(context)); e;) {
			struct storage_entry *older = e->next;
			if (e->destructor && round < CLEAR_ROUNDS)
				e->destructor(context, e->key, e->value);
			free(e);
			e = older;
		}
	}
}
