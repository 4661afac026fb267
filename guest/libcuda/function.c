// SPDX-License-Identifier: Apache-2.0
/* Questions about functions and kernels, answered from what came with them. */
#include "function.h"

#include <stdbool.h>

#include "call.h"
#include "exported.h"
#include "generated/calls.h"
#include "state.h"

static int function_data(void *handle, struct function **f)
{
	int r = enter();
	struct object *o = object_get(handle, KIND_FUNC);
	if (!o)
		o = object_get(handle, KIND_KERNEL);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r)
		*f = function_of(o);
	return r;
}

static int get_param(void *handle, size_t index, size_t *offset, size_t *size)
{
	struct function *f;
	int r = function_data(handle, &f);
	if (!r && (!offset || index >= f->param_count))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		*offset = f->params[index].offset;
		if (size)
			*size = f->params[index].size;
	}
	return r;
}

EXPORT int cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *size) { return get_param(function, index, offset, size); }

/* A kernel is of no context, but NVIDIA's driver looks it up in the current one. */
EXPORT int cuKernelGetParamInfo(void *kernel, size_t index, size_t *offset, size_t *size)
{
	int r = enter_context();
	return r ? r : get_param(kernel, index, offset, size);
}

static int get_name(const char **name, void *handle)
{
	struct function *f;
	int r = enter();
	if (!r && (!name || !handle))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = function_data(handle, &f);
	if (!r)
		*name = f->name;
	return r;
}

EXPORT int cuFuncGetName(const char **name, void *function) { return get_name(name, function); }
EXPORT int cuKernelGetName(const char **name, void *kernel) { return get_name(name, kernel); }

EXPORT int cuFuncGetModule(void **module, void *function)
{
	struct function *f;
	int r = function_data(function, &f);
	if (!r && !module)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (f->owner->kind == KIND_LIBRARY)
		return cuLibraryGetModule(module, f->owner);
	*module = f->owner;
	return CUDA_SUCCESS;
}

EXPORT int cuKernelGetLibrary(void **library, void *kernel)
{
	struct function *f;
	int r = function_data(kernel, &f);
	if (!r && !library)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && f->owner->kind != KIND_LIBRARY)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r)
		*library = f->owner;
	return r;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, void *function)
{
	struct function *f;
	int r = function_data(function, &f);
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (attribute >= 0 && attribute < FUNCTION_ATTRIBUTES && f->attributes[attribute]) {
		*value = f->attributes[attribute];
		return CUDA_SUCCESS;
	}
	struct object *o = function_get(function);
	return o ? wire_function_attribute(o, (unsigned)attribute, value) : CUDA_ERROR_INVALID_HANDLE;
}

/* Libraries set how much dynamic shared memory a kernel may have before each of its launches. */
static bool has_attribute(struct object *o, int attribute, int value)
{
	const struct function *f = function_of(o);
	return attribute == ATTRIBUTE_MAX_DYNAMIC && f->attributes[attribute] == value && f->dynamic_by == o;
}

static void note_attribute(struct object *o, int attribute, int value)
{
	struct function *f = function_of(o);
	if (attribute < 0 || attribute >= FUNCTION_ATTRIBUTES)
		return;
	if (f->attributes[attribute] != value)
		accepted_forget(&f->accepted);
	f->attributes[attribute] = value;
	if (attribute == ATTRIBUTE_MAX_DYNAMIC)
		f->dynamic_by = o;
}

EXPORT int cuFuncSetAttribute(void *function, int attribute, int value)
{
	int r = enter_context();
	struct object *o = r ? NULL : function_get(function);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && has_attribute(o, attribute, value))
		return call_deferred();
	if (!r)
		r = wire_cuFuncSetAttribute(o, (unsigned)attribute, value);
	if (!r)
		note_attribute(o, attribute, value);
	return r;
}

EXPORT int cuKernelGetAttribute(int *value, int attribute, void *kernel, int device)
{
	struct function *f;
	int r = function_data(kernel, &f);
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (attribute >= 0 && attribute < FUNCTION_ATTRIBUTES && f->attributes[attribute] && session.device_count == 1) {
		*value = f->attributes[attribute];
		return CUDA_SUCCESS;
	}
	return wire_kernel_attribute(kernel, (unsigned)attribute, device, value);
}

EXPORT int cuKernelSetAttribute(int attribute, int value, void *kernel, int device)
{
	int r = enter();
	struct object *o = object_get(kernel, KIND_KERNEL);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && session.device_count == 1 && !device && has_attribute(o, attribute, value))
		return call_deferred();
	if (!r)
		r = wire_cuKernelSetAttribute((unsigned)attribute, value, o, device);
	if (!r)
		note_attribute(o, attribute, value);
	return r;
}
