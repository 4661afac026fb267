// SPDX-License-Identifier: Apache-2.0
/* The MD2 digest of RFC 1319 and HMAC over it; cudart's integrity check wants them, nothing else should. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { MD2_SIZE = 16, MD2_BLOCK = 16 };

struct md2 {
	uint8_t state[MD2_SIZE], checksum[MD2_BLOCK], block[MD2_BLOCK];
	unsigned used; /* bytes of block */
};

void md2_init(struct md2 *m);
void md2_update(struct md2 *m, const void *data, size_t n);
void md2_final(struct md2 *m, uint8_t digest[MD2_SIZE]);

/* HMAC (RFC 2104) with a key of exactly one block, which both ends are given. */
void hmac_md2_init(struct md2 *m, const uint8_t key[MD2_BLOCK]);
void hmac_md2_final(struct md2 *m, const uint8_t key[MD2_BLOCK], uint8_t mac[MD2_SIZE]);
