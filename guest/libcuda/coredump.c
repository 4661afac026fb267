// SPDX-License-Identifier: Apache-2.0
/* Settings for core dumps of a GPU. A dump would be written by the driver of the host, as a file there and with all that
 * the GPU's memory holds: it cannot be asked for. All else is held here and told back. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context.h"
#include "log.h"
#include "state.h"

enum { ON_EXCEPTION = 1, TRIGGER_HOST, LIGHTWEIGHT, USER_TRIGGER, FILE_NAME, PIPE_NAME, GENERATION_FLAGS, COUNT };
enum { TEXT = 1024 }; /* with the NUL */

struct coredump {
	uint32_t set; /* a bit for each attribute */
	uint32_t number[COUNT];
	char text[2][TEXT];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct coredump global;

static bool is_text(unsigned attribute) { return attribute == FILE_NAME || attribute == PIPE_NAME; }
static size_t room(unsigned attribute) { return is_text(attribute) ? TEXT : attribute == GENERATION_FLAGS ? 4 : 1; }

static void default_text(char *to, unsigned attribute)
{
	char host[256] = "";
	gethostname(host, sizeof host - 1);
	snprintf(to, TEXT, "%s.cuda.%s.%d", attribute == PIPE_NAME ? "corepipe" : "core", host, (int)getpid());
}

/* Copies a setting out; of is NULL where a context has none of its own. */
static void read_setting(const struct coredump *of, unsigned attribute, void *value, size_t *size)
{
	const struct coredump *c = of && of->set >> attribute & 1 ? of : &global;
	uint32_t number = c->set >> attribute & 1 ? c->number[attribute] : attribute == TRIGGER_HOST;
	char text[TEXT];
	if (!is_text(attribute)) {
		uint8_t truth = number != 0;
		*size = room(attribute);
		memcpy(value, attribute == GENERATION_FLAGS ? (void *)&number : &truth, *size);
		return;
	}
	if (c->set >> attribute & 1)
		memcpy(text, c->text[attribute - FILE_NAME], TEXT);
	else
		default_text(text, attribute);
	size_t n = strlen(text) + 1;
	n = n < *size ? n : *size;
	memcpy(value, text, n);
	((char *)value)[n - 1] = 0;
	*size = n;
}

static int write_setting(struct coredump *c, unsigned attribute, const void *value, size_t size)
{
	static int once;
	uint32_t number = 0;
	memcpy(&number, value, is_text(attribute) ? 0 : room(attribute));
	if ((attribute == ON_EXCEPTION || attribute == USER_TRIGGER) && (uint8_t)number) {
		if (!__atomic_exchange_n(&once, 1, __ATOMIC_RELAXED))
			log_line(LOG_WARN, "core dumps of a GPU are not supported on a vGPU: they would be files of the host");
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (is_text(attribute)) {
		char *to = c->text[attribute - FILE_NAME];
		memset(to, 0, TEXT);
		memcpy(to, value, strnlen(value, size));
	}
	c->number[attribute] = number;
	c->set |= 1u << attribute;
	return CUDA_SUCCESS;
}

/* Gets or sets for a context, or for all of the process. With no value, the room that it takes is told. */
static int setting(struct context *context, unsigned attribute, void *value, size_t *size, bool set)
{
	if (!size || attribute < ON_EXCEPTION || attribute >= COUNT)
		return CUDA_ERROR_INVALID_VALUE;
	if (!value) {
		*size = room(attribute);
		return CUDA_SUCCESS;
	}
	if (is_text(attribute) ? !*size || (set && *size > TEXT - 1 && strnlen(value, *size) > TEXT - 1) : *size < room(attribute))
		return CUDA_ERROR_INVALID_VALUE;
	if (set && context && (attribute == USER_TRIGGER || attribute == PIPE_NAME))
		return CUDA_ERROR_NOT_PERMITTED;
	int r = CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	if (set && context && !context->coredump && !(context->coredump = calloc(1, sizeof global)))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	else if (set)
		r = write_setting(context ? context->coredump : &global, attribute, value, *size);
	else
		read_setting(context ? context->coredump : NULL, attribute, value, size);
	pthread_mutex_unlock(&lock);
	return r;
}

static int of_context(unsigned attribute, void *value, size_t *size, bool set)
{
	int r = enter_context();
	return r ? r : setting(context_of(thread.context), attribute, value, size, set);
}

static int of_process(unsigned attribute, void *value, size_t *size, bool set)
{
	int r = enter();
	return r ? r : setting(NULL, attribute, value, size, set);
}

EXPORT int cuCoredumpGetAttribute(unsigned attribute, void *value, size_t *size) { return of_context(attribute, value, size, false); }
EXPORT int cuCoredumpSetAttribute(unsigned attribute, void *value, size_t *size) { return of_context(attribute, value, size, true); }
EXPORT int cuCoredumpGetAttributeGlobal(unsigned attribute, void *value, size_t *size) { return of_process(attribute, value, size, false); }
EXPORT int cuCoredumpSetAttributeGlobal(unsigned attribute, void *value, size_t *size) { return of_process(attribute, value, size, true); }
