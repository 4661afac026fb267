// SPDX-License-Identifier: Apache-2.0
/* Modules and libraries, their functions, kernels and variables. */
#include <stdlib.h>

#include "call.h"
#include "context.h"
#include "exported.h"
#include "function.h"
#include "generated/calls.h"
#include "image.h"
#include "memory.h"
#include "object.h"
#include "placed.h"
#include "state.h"

/* Data of objects of kind KIND_MODULE and KIND_LIBRARY. */
struct module {
	struct function *functions;
	struct library_module *modules; /* of a library, by context */
	uint64_t managed; /* memory of the managed variables, 0 without any */
};

struct library_module {
	struct object *context;
	unsigned life; /* of the context */
	void *module;
	struct library_module *next;
};

struct kernel_function {
	struct object *context;
	unsigned life; /* of the context */
	struct object *function;
	struct kernel_function *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the lists above */

static struct module *module_of(struct object *o)
{
	if (!o->data)
		o->data = calloc(1, sizeof(struct module));
	return o->data;
}

/* The memory of a module's or library's managed variables, 0 if it has none. */
static uint64_t managed_of(const struct object *o) { return o && o->data ? ((struct module *)o->data)->managed : 0; }

typedef int load_function(void **handle, const void *options, uint64_t option_bytes, void *log);

static int load_bytes(load_function *load, void **handle, const uint8_t *bytes, size_t size, struct jit *j)
{
	uint8_t log[WIRE_JITLOG_SIZE];
	uint64_t managed = 0;
	struct range range;
	memset(log, 0, 16);
	pthread_mutex_lock(&image_lock);
	int r = image_send(bytes, size, &managed);
	if (!r && managed)
		r = placed_make(&managed, load == wire_library_load);
	if (!r)
		r = load(handle, j->wire, j->wire_bytes, log);
	pthread_mutex_unlock(&image_lock);
	/* A load that fails has its log as well. */
	jit_finish(j, log);
	if (!r && !module_of(*handle))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (managed && !r) {
		module_of(*handle)->managed = managed;
		placed_own(managed, *handle);
	} else if (managed && placed_take(managed, NULL, &range)) {
		host_release(&range);
	}
	return r;
}

enum { EMPTY_CONTAINER = 16 };

/* Links units to an image for this GPU, and loads that. */
static int load_units(load_function *f, void **handle, const void *const *units, struct jit *j)
{
	enum { INPUT_FATBINARY = 2 };
	const uint8_t *bytes;
	size_t size;
	void *state, *linked;
	int r = cuLinkCreate_v2(0, NULL, NULL, &state);
	if (r)
		return r;
	for (; !r && *units; units++) {
		r = image_measure(*units, &bytes, &size);
		if (!r)
			r = cuLinkAddData_v2(state, INPUT_FATBINARY, (void *)bytes, size, NULL, 0, NULL, NULL);
	}
	if (!r)
		r = cuLinkComplete(state, &linked, &size);
	if (!r)
		r = load_bytes(f, handle, linked, size, j);
	cuLinkDestroy(state);
	return r;
}

static int load(load_function *f, void **handle, const void *image, unsigned count, const uint32_t *ids, void **values)
{
	const uint8_t *bytes;
	size_t size;
	struct jit j;
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	int r = image_measure(image, &bytes, &size);
	if (!r)
		r = jit_prepare(&j, count, ids, values);
	if (r)
		return r;
	/* Without code for this GPU, the driver links a program's units by their PTX. */
	const void *const *units = image_units(image);
	r = units && size <= EMPTY_CONTAINER ? CUDA_ERROR_NO_BINARY_FOR_GPU : load_bytes(f, handle, bytes, size, &j);
	return r == CUDA_ERROR_NO_BINARY_FOR_GPU && units ? load_units(f, handle, units, &j) : r;
}

static int load_file(load_function *f, void **handle, const char *path, unsigned count, const uint32_t *ids, void **values)
{
	uint8_t *bytes;
	size_t size;
	struct jit j;
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	int r = image_read(path, &bytes, &size);
	if (!r)
		r = jit_prepare(&j, count, ids, values);
	if (!r) {
		bool binary = size > 4 && (!memcmp(bytes, "\177ELF", 4) || !memcmp(bytes, "\x50\xed\x55\xba", 4));
		r = load_bytes(f, handle, bytes, binary ? size : size + 1, &j);
	}
	free(bytes);
	return r;
}

EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned int count, uint32_t *options, void **values)
{
	int r = enter_context();
	return r ? r : load(wire_module_load, module, image, count, options, values);
}

EXPORT int cuModuleLoadData(void **module, const void *image) { return cuModuleLoadDataEx(module, image, 0, NULL, NULL); }
EXPORT int cuModuleLoadFatBinary(void **module, const void *image) { return cuModuleLoadDataEx(module, image, 0, NULL, NULL); }

EXPORT int cuModuleLoad(void **module, const char *path)
{
	int r = enter_context();
	return r ? r : load_file(wire_module_load, module, path, 0, NULL, NULL);
}

EXPORT int cuLibraryLoadData(void **library, const void *code, uint32_t *options, void **values, unsigned int count,
			     uint32_t *library_options, void **library_values, unsigned int library_count)
{
	(void)library_options, (void)library_values, (void)library_count; /* say only how long code stays valid */
	int r = enter();
	return r ? r : load(wire_library_load, library, code, count, options, values);
}

EXPORT int cuLibraryLoadFromFile(void **library, const char *path, uint32_t *options, void **values, unsigned int count,
				 uint32_t *library_options, void **library_values, unsigned int library_count)
{
	(void)library_options, (void)library_values, (void)library_count;
	int r = enter();
	return r ? r : load_file(wire_library_load, library, path, count, options, values);
}

void functions_free(struct function *list)
{
	while (list) {
		struct function *f = list;
		list = f->next;
		while (f->functions) {
			struct kernel_function *k = f->functions;
			f->functions = k->next;
			object_free(k->function);
			free(k);
		}
		object_free(f->self);
		free(f->old_params);
		free(f->name);
		free(f);
	}
}

static void module_free(struct object *o)
{
	struct module *m = o->data;
	memory_forget_owner(o);
	if (!m)
		return;
	functions_free(m->functions);
	while (m->modules) {
		struct library_module *l = m->modules;
		m->modules = l->next;
		object_free(l->module);
		free(l);
	}
	free(m);
}

EXPORT int cuModuleUnload(void *module)
{
	int r = enter();
	struct object *o = object_get(module, KIND_MODULE);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r)
		return r;
	struct range managed;
	bool have = placed_take(managed_of(o), o, &managed);
	module_free(o);
	r = wire_cuModuleUnload(module);
	if (have)
		host_release(&managed);
	return r;
}

EXPORT int cuLibraryUnload(void *library)
{
	int r = enter();
	struct object *o = object_get(library, KIND_LIBRARY);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r)
		return r;
	struct range managed;
	bool have = placed_take(managed_of(o), o, &managed);
	module_free(o);
	r = wire_cuLibraryUnload(library);
	if (have)
		host_release(&managed);
	return r;
}

/* Makes what is known of a function from the worker's answer. */
static struct function *function_new(struct object *self, struct object *owner, const char *name, const uint8_t *info)
{
	uint32_t count;
	memcpy(&count, info + WIRE_INFO_PARAM_COUNT, 4);
	if (count > WIRE_INFO_MAX_PARAMS)
		return NULL;
	struct function *f = calloc(1, sizeof *f + count * sizeof *f->params);
	if (!f)
		return NULL;
	f->self = self;
	f->owner = owner;
	f->name = strdup(name);
	f->param_count = count;
	memcpy(f->attributes, info + WIRE_INFO_ATTRIBUTES, sizeof f->attributes);
	memcpy(f->params, info + WIRE_INFO_PARAMS, count * sizeof *f->params);
	for (uint32_t i = 0; i < count; i++)
		if (f->params[i].offset + f->params[i].size > f->param_bytes)
			f->param_bytes = f->params[i].offset + f->params[i].size;
	self->data = f;
	return f;
}

typedef int lookup_function(void **handle, void *owner, const char *name, void *info);

static int lookup(lookup_function *ask, void **handle, void *owner_handle, int owner_kind, const char *name)
{
	struct object *owner = object_get(owner_handle, owner_kind);
	if (!owner)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!handle || !name)
		return CUDA_ERROR_INVALID_VALUE;
	int r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	struct module *m = module_of(owner);
	struct function *f = m ? m->functions : NULL;
	while (f && strcmp(f->name, name))
		f = f->next;
	if (!f) {
		uint8_t info[WIRE_INFO_SIZE];
		void *made;
		r = m ? ask(&made, owner, name, info) : CUDA_ERROR_OUT_OF_MEMORY;
		if (!r && !(f = function_new(made, owner, name, info)))
			r = CUDA_ERROR_OUT_OF_MEMORY;
		if (!r) {
			f->next = m->functions;
			m->functions = f;
		}
	}
	if (!r)
		*handle = f->self;
	pthread_mutex_unlock(&lock);
	return r;
}

static int ask_function(void **handle, void *owner, const char *name, void *info) { return wire_module_function(handle, owner, name, info); }
static int ask_kernel(void **handle, void *owner, const char *name, void *info) { return wire_library_kernel(handle, owner, name, info); }

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name)
{
	int r = enter_context();
	return r ? r : lookup(ask_function, function, module, KIND_MODULE, name);
}

EXPORT int cuLibraryGetKernel(void **kernel, void *library, const char *name)
{
	int r = enter();
	return r ? r : lookup(ask_kernel, kernel, library, KIND_LIBRARY, name);
}

EXPORT int cuKernelGetFunction(void **function, void *kernel)
{
	int r = enter_context();
	struct object *k = object_get(kernel, KIND_KERNEL);
	if (!r && !k)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && !function)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	struct function *data = function_of(k);
	struct kernel_function *f = data->functions;
	while (f && !(f->context == thread.context && f->life == context_of(thread.context)->life))
		f = f->next;
	if (!f) {
		void *made;
		f = malloc(sizeof *f);
		r = f ? wire_kernel_function(&made, k) : CUDA_ERROR_OUT_OF_MEMORY;
		if (r) {
			free(f);
			f = NULL;
		} else {
			*f = (struct kernel_function){thread.context, context_of(thread.context)->life, made, data->functions};
			f->function->data = data;
			data->functions = f;
		}
	}
	if (f)
		*function = f->function;
	pthread_mutex_unlock(&lock);
	return r;
}

struct object *function_get(void *handle)
{
	struct object *o = object_get(handle, KIND_FUNC);
	if (likely(o != NULL))
		return o;
	void *function;
	return object_get(handle, KIND_KERNEL) && !cuKernelGetFunction(&function, handle) ? function : NULL;
}

void *function_handle(void *handle)
{
	struct object *o = handle ? function_get(handle) : NULL;
	return o ? o : handle;
}

EXPORT int cuLibraryGetModule(void **module, void *library)
{
	int r = enter_context();
	struct object *o = object_get(library, KIND_LIBRARY);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && !module)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	struct module *m = module_of(o);
	struct library_module *l = m->modules;
	while (l && !(l->context == thread.context && l->life == context_of(thread.context)->life))
		l = l->next;
	if (!l) {
		l = calloc(1, sizeof *l);
		r = l ? wire_cuLibraryGetModule(&l->module, o) : CUDA_ERROR_OUT_OF_MEMORY;
		if (r) {
			free(l);
			l = NULL;
		} else {
			l->context = thread.context;
			l->life = context_of(thread.context)->life;
			l->next = m->modules;
			m->modules = l;
			if (m->managed && module_of(l->module))
				module_of(l->module)->managed = m->managed;
		}
	}
	if (l)
		*module = l->module;
	pthread_mutex_unlock(&lock);
	return r;
}

/* Notes a variable's address, so that copies to it are known to be to a device. */
static int global_found(uint64_t address, uint64_t size, void *owner, uint64_t *out, size_t *out_size)
{
	struct range range = {.base = address, .size = size, .type = MEMORY_GLOBAL, .context = thread.context, .owner = owner,
			      .device = thread.context ? thread.context->device : 0, .device_address = address}, old;
	if (address && size && !memory_find(address, &old))
		memory_add(range);
	if (out)
		*out = address;
	if (out_size)
		*out_size = size;
	return CUDA_SUCCESS;
}

EXPORT int cuModuleGetGlobal_v2(uint64_t *address, size_t *size, void *module, const char *name)
{
	uint64_t a, n;
	int r = enter_context();
	if (!r && !placed_find(managed_of(object_get(module, KIND_MODULE)), name, &a, &n))
		r = wire_cuModuleGetGlobal_v2(&a, &n, module, name);
	return r ? r : global_found(a, n, module, address, size);
}

EXPORT int cuLibraryGetGlobal(uint64_t *address, size_t *size, void *library, const char *name)
{
	uint64_t a, n;
	int r = enter_context();
	if (!r && !placed_find(managed_of(object_get(library, KIND_LIBRARY)), name, &a, &n))
		r = wire_cuLibraryGetGlobal(&a, &n, library, name);
	return r ? r : global_found(a, n, library, address, size);
}

EXPORT int cuLibraryGetManaged(uint64_t *address, size_t *size, void *library, const char *name)
{
	uint64_t a, n;
	int r = enter();
	if (!r && !placed_find(managed_of(object_get(library, KIND_LIBRARY)), name, &a, &n))
		r = wire_cuLibraryGetManaged(&a, &n, library, name);
	return r ? r : global_found(a, n, library, address, size);
}

/* Lists up to n kernels of a module or library by name, and looks each up. */
static int enumerate(void **out, unsigned n, void *module, void *library)
{
	unsigned have = 0;
	uint64_t total = n;
	while (have < n && have < total) {
		uint8_t names[3584];
		int r = wire_module_names(module, library, have, &total, names);
		if (r)
			return r;
		const char *at = (const char *)names;
		for (; have < n && have < total && at < (const char *)names + sizeof names && *at; at += strlen(at) + 1, have++) {
			r = module ? cuModuleGetFunction(&out[have], module, at) : cuLibraryGetKernel(&out[have], library, at);
			if (r)
				return r;
		}
		if (at == (const char *)names)
			return CUDA_ERROR_NOT_SUPPORTED; /* a name longer than an answer */
	}
	return CUDA_SUCCESS;
}

EXPORT int cuModuleEnumerateFunctions(void **functions, unsigned int n, void *module)
{
	int r = enter_context();
	if (!r && !functions)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !object_get(module, KIND_MODULE))
		r = CUDA_ERROR_INVALID_HANDLE;
	return r ? r : enumerate(functions, n, module, NULL);
}

EXPORT int cuLibraryEnumerateKernels(void **kernels, unsigned int n, void *library)
{
	int r = enter();
	if (!r && !kernels)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !object_get(library, KIND_LIBRARY))
		r = CUDA_ERROR_INVALID_HANDLE;
	return r ? r : enumerate(kernels, n, NULL, library);
}
