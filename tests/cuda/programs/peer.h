// SPDX-License-Identifier: Apache-2.0
//
// What programs of two processes share: messages by a socket, with files.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include "driver.h"

static int peer; // a socket to the other process

inline void send_bytes(const void *p, size_t n, int fd = -1) {
    char control[CMSG_SPACE(sizeof(int))] = {};
    iovec v = {const_cast<void *>(p), n};
    msghdr m = {};
    m.msg_iov = &v;
    m.msg_iovlen = 1;
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    EXPECT(sendmsg(peer, &m, MSG_NOSIGNAL) == (ssize_t)n, "the other process is gone");
}

inline int receive_bytes(void *p, size_t n) {
    char control[CMSG_SPACE(sizeof(int))] = {};
    iovec v = {p, n};
    msghdr m = {};
    m.msg_iov = &v;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    EXPECT(recvmsg(peer, &m, MSG_WAITALL) == (ssize_t)n, "the other process is gone");
    int fd = -1;
    if (cmsghdr *c = CMSG_FIRSTHDR(&m)) memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

template <class T> T receive(int *fd = nullptr) {
    T v;
    int got = receive_bytes(&v, sizeof v);
    if (fd) *fd = got;
    return v;
}

inline void turn() { send_bytes("x", 1); }
inline void await_turn() { receive<char>(); }
