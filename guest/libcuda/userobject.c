// SPDX-License-Identifier: Apache-2.0
/* User objects. The driver counts who holds one: the program, graphs, what is made of graphs, launches under way. When
 * nobody does, the worker has the program's destructor run as a host function. */
#include <stdlib.h>

#include "call.h"
#include "callback.h"
#include "generated/calls.h"
#include "object.h"
#include "state.h"

struct user_object {
	void (*destroy)(void *);
	void *data;
	void *handle; /* live until now: graphs may have held more references than the program */
};

static void end(void *p)
{
	struct user_object u = *(struct user_object *)p;
	free(p);
	object_free(u.handle);
	u.destroy(u.data);
}

EXPORT int cuUserObjectCreate(void **object, void *data, void (*destroy)(void *), unsigned int count, unsigned int flags)
{
	enum { NO_DESTRUCTOR_SYNC = 1, MOST = INT32_MAX };
	int r = enter();
	if (!r && (!object || !destroy || !count || count > MOST || flags != NO_DESTRUCTOR_SYNC))
		r = CUDA_ERROR_INVALID_VALUE;
	struct user_object *u = r ? NULL : malloc(sizeof *u);
	uint64_t id = u ? callback_add_last(end, u) : 0;
	if (!r && !id)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r) {
		*u = (struct user_object){destroy, data, NULL};
		r = wire_user_object_create(&u->handle, id, count);
	}
	if (!r) {
		*object = u->handle;
		return CUDA_SUCCESS;
	}
	callback_drop(id);
	free(u);
	return r;
}
