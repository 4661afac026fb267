// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a program with the system calls of Linux 3.10: those that came later do not exist for it, as for a program on
 * such a kernel. On x86-64 these are the numbers from 314 on, sched_setattr of Linux 3.14 being the first.
 *
 *	linux310 PROGRAM [ARGUMENT]...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_LATER = 314, CANNOT = 77 };

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_LATER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("linux310: filter system calls");
		return CANNOT;
	}
	if (syscall(SYS_memfd_create, "probe", 0) >= 0 || errno != ENOSYS) {
		fprintf(stderr, "linux310: memfd_create is still there\n");
		return CANNOT;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return CANNOT;
}
