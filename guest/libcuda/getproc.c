// SPDX-License-Identifier: Apache-2.0
/*
 * cuGetProcAddress: functions by the name without suffix and the version that the caller was built for. It
 * needs no session, but once there is one, nothing newer than the host's driver is given out.
 */
#include "procs.h"
#include "state.h"

enum { FLAG_LEGACY_STREAM = 1, FLAG_PER_THREAD_STREAM = 2 };
enum { STATUS_FOUND, STATUS_NOT_FOUND, STATUS_VERSION_TOO_LOW };

/* The first entry whose name is not before the given one. */
static size_t proc_lower_bound(const char *name)
{
	size_t low = 0, high = proc_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(procs[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Variants of one name stand newest first, so the first that fits is the one; a per-thread one wins if wanted. */
static const struct proc *proc_find(const char *name, int version, uint64_t flags, int *status)
{
	const struct proc *plain = NULL;

	*status = STATUS_NOT_FOUND;
	for (size_t i = proc_lower_bound(name); i < proc_count && !strcmp(procs[i].name, name); i++) {
		const struct proc *p = &procs[i];
		if (p->since > version) {
			*status = STATUS_VERSION_TOO_LOW;
		} else if (p->per_thread) {
			if (flags & FLAG_PER_THREAD_STREAM) {
				*status = STATUS_FOUND;
				return p;
			}
		} else if (!plain) {
			plain = p;
		}
	}
	if (plain)
		*status = STATUS_FOUND;
	return plain;
}

static int version_limit(int version)
{
	int host = session.state == SESSION_LIVE ? session.driver_version : 0;
	return host > 0 && host < version ? host : version;
}

/* The form of CUDA 12.0 and later: what is missing is told by the status, and is no error. */
EXPORT int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status)
{
	int ignored;

	if (!status)
		status = &ignored;
	*status = STATUS_NOT_FOUND;
	if (function)
		*function = NULL;
	if (!symbol || flags > FLAG_PER_THREAD_STREAM)
		return CUDA_ERROR_INVALID_VALUE;
	const struct proc *p = proc_find(symbol, version_limit(version), flags, status);
	/* cublasCreate has been seen to ask with an empty name and no place for the answer. */
	if (function && p)
		*function = p->function;
	return CUDA_SUCCESS;
}

/* The form of CUDA 11.3 to 11.8. */
EXPORT int cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags)
{
	int status;
	int r = cuGetProcAddress_v2(symbol, function, version, flags, &status);
	return r == CUDA_SUCCESS && status != STATUS_FOUND ? CUDA_ERROR_NOT_FOUND : r;
}
