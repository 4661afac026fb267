// SPDX-License-Identifier: Apache-2.0
/* User objects: counted here, ended when neither the program nor a graph holds them. A graph's own count ends
 * with the graph; references that a graph passes on to its instances are the instance's graph's here. */
#include <stdlib.h>

#include "callback.h"
#include "object.h"
#include "state.h"

struct user_object {
	void (*destroy)(void *);
	void *data;
	unsigned long count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT int cuUserObjectCreate(void **object, void *data, void (*destroy)(void *), unsigned int count, unsigned int flags)
{
	enum { NO_DESTRUCTOR_SYNC = 1 };
	int r = enter();
	if (!r && (!object || !destroy || !count || flags != NO_DESTRUCTOR_SYNC))
		r = CUDA_ERROR_INVALID_VALUE;
	struct user_object *u = r ? NULL : malloc(sizeof *u);
	struct object *o = u ? object_new(KIND_USEROBJ) : NULL;
	if (!r && !o) {
		free(u);
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r)
		return r;
	*u = (struct user_object){destroy, data, count};
	o->data = u;
	*object = o;
	return CUDA_SUCCESS;
}

static int change(void *handle, long by)
{
	int r = enter();
	struct object *o = object_get(handle, KIND_USEROBJ);
	struct user_object *ended = NULL;
	if (!r && (!o || !by))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	struct user_object *u = o->data;
	if (by < 0 && (unsigned long)-by > u->count)
		r = CUDA_ERROR_INVALID_VALUE;
	else if ((u->count += (unsigned long)by) == 0)
		ended = u;
	pthread_mutex_unlock(&lock);
	if (ended) {
		object_free(o);
		ended->destroy(ended->data);
		free(ended);
	}
	return r;
}

EXPORT int cuUserObjectRetain(void *object, unsigned int count) { return change(object, count); }
EXPORT int cuUserObjectRelease(void *object, unsigned int count) { return change(object, -(long)count); }
