// SPDX-License-Identifier: Apache-2.0
#include "aside.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

enum { BYTES = 64 << 10 };

static _Alignas(64) char stack[BYTES];
static ucontext_t own, other;
static struct {
	void (*f)(void *argument);
	void *argument;
} call;

static void start(void) { call.f(call.argument); }

void aside(void (*f)(void *argument), void *argument)
{
	sigset_t every, mine;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &mine);
	call.f = f;
	call.argument = argument;
	getcontext(&other);
	other.uc_stack = (stack_t){.ss_sp = stack, .ss_size = BYTES};
	other.uc_link = &own;
	makecontext(&other, start, 0);
	swapcontext(&own, &other);
	pthread_sigmask(SIG_SETMASK, &mine, NULL);
}
