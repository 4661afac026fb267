// SPDX-License-Identifier: Apache-2.0
/* Life of the library. All data comes from the libcuda.so.1 beside it. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../libcuda/log.h"
#include "nvml.h"

enum { FLAG_NO_GPUS = 1 };
enum { CUDA_NOT_PERMITTED = 800 };

struct nvml nvml;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Finds libcuda's functions; false if the libcuda.so.1 that is loaded is another's. */
static bool find_libcuda(void)
{
	if (nvml.session)
		return true;
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
	nvml.device_attribute = (int (*)(int *, int, int))dlsym(library, "orion_device_attribute");
	nvml.can_access_peer = (int (*)(int *, int, int))dlsym(library, "cuDeviceCanAccessPeer");
	nvml.session = (int (*)(struct session_info *, size_t))dlsym(library, "orion_session");
	nvml.release = (void (*)(void))dlsym(library, "orion_session_release");
	nvml.gpu_state = (int (*)(int, struct gpu_state *, size_t))dlsym(library, "orion_gpu_state");
	nvml.gpu_links = (int (*)(int, struct gpu_link *, size_t))dlsym(library, "orion_gpu_links");
	if (!nvml.session || !nvml.release || !nvml.gpu_state || !nvml.gpu_links || !nvml.device_attribute || !nvml.can_access_peer) {
		nvml.session = NULL;
		dlclose(library);
		return false;
	}
	return true;
}

static int open_session(unsigned int flags)
{
	if (!find_libcuda()) {
		fprintf(stderr, "orion: the libcuda.so.1 that this program finds is not Orion's; put Orion's folder first into LD_LIBRARY_PATH\n");
		return NVML_DRIVER_NOT_LOADED;
	}
	int r = nvml.session(&nvml.info, sizeof nvml.info);
	nvml.pid = getpid();
	if (!r || flags & FLAG_NO_GPUS)
		return NVML_SUCCESS;
	return r == CUDA_NOT_PERMITTED ? NVML_NO_PERMISSION : NVML_DRIVER_NOT_LOADED;
}

EXPORT int nvmlInitWithFlags(unsigned int flags)
{
	pthread_mutex_lock(&lock);
	int r = nvml.users ? NVML_SUCCESS : open_session(flags);
	if (!r)
		nvml.users++;
	pthread_mutex_unlock(&lock);
	return r;
}

EXPORT int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT int nvmlInit(void) { return nvmlInitWithFlags(0); }

EXPORT int nvmlShutdown(void)
{
	pthread_mutex_lock(&lock);
	int r = nvml.users ? NVML_SUCCESS : NVML_UNINITIALIZED;
	/* Who has only looked at vGPUs holds none any longer. */
	if (!r && !__atomic_sub_fetch(&nvml.users, 1, __ATOMIC_ACQ_REL) && nvml.session)
		nvml.release();
	pthread_mutex_unlock(&lock);
	return r;
}

/* In a child of fork, whoever held the lock is not there. */
static void after_fork_in_child(void) { pthread_mutex_init(&lock, NULL); }

__attribute__((constructor)) static void loaded(void) { pthread_atfork(NULL, NULL, after_fork_in_child); }

/* A child of fork has what its parent initialised, but a session of its own. */
static int reopen(void)
{
	pthread_mutex_lock(&lock);
	int r = __atomic_load_n(&nvml.pid, __ATOMIC_ACQUIRE) == getpid() ? NVML_SUCCESS : open_session(0);
	pthread_mutex_unlock(&lock);
	return r;
}

int nvml_ready(void)
{
	if (!__atomic_load_n(&nvml.users, __ATOMIC_ACQUIRE))
		return NVML_UNINITIALIZED;
	return __atomic_load_n(&nvml.pid, __ATOMIC_ACQUIRE) == getpid() ? NVML_SUCCESS : reopen();
}

int nvml_string(char *to, unsigned int length, const char *from)
{
	size_t n = strlen(from) + 1;
	if (!to)
		return NVML_INVALID_ARGUMENT;
	if (n > length)
		return NVML_INSUFFICIENT_SIZE;
	memcpy(to, from, n);
	return NVML_SUCCESS;
}

int nvml_refused(const char *function, int *once, int result)
{
	if (nvml.info.log && !__atomic_exchange_n(once, 1, __ATOMIC_RELAXED))
		nvml.info.log(LOG_INFO, result == NVML_NO_PERMISSION ? "%s is not permitted on a vGPU" : "%s is not supported on a vGPU", function);
	return result;
}
