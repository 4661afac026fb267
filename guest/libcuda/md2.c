// SPDX-License-Identifier: Apache-2.0
#include "md2.h"

#include <string.h>

/* The permutation of 0..255 that RFC 1319 draws from the digits of pi. */
static const uint8_t pi[256] = {
	41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19,
	98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188, 76, 130, 202,
	30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18,
	190, 78, 196, 214, 218, 158, 222, 73, 160, 251, 245, 142, 187, 47, 238, 122,
	169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33,
	128, 127, 93, 154, 90, 144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3,
	255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198,
	79, 184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241,
	69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101, 230, 45, 168, 2,
	27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15,
	85, 71, 163, 35, 221, 81, 175, 58, 195, 92, 249, 206, 186, 197, 234, 38,
	44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82,
	106, 220, 55, 200, 108, 193, 171, 250, 36, 225, 123, 8, 12, 189, 177, 74,
	120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57,
	242, 239, 183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10,
	49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17, 131, 20,
};

static void compress(struct md2 *m, const uint8_t block[MD2_BLOCK])
{
	uint8_t x[3 * MD2_BLOCK], last = m->checksum[MD2_BLOCK - 1];

	for (int i = 0; i < MD2_BLOCK; i++) {
		x[i] = m->state[i];
		x[MD2_BLOCK + i] = block[i];
		x[2 * MD2_BLOCK + i] = m->state[i] ^ block[i];
		last = m->checksum[i] ^= pi[block[i] ^ last];
	}
	uint8_t t = 0;
	for (int round = 0; round < 18; round++) {
		for (size_t i = 0; i < sizeof x; i++)
			t = x[i] ^= pi[t];
		t = (uint8_t)(t + round);
	}
	memcpy(m->state, x, MD2_SIZE);
}

void md2_init(struct md2 *m) { memset(m, 0, sizeof *m); }

void md2_update(struct md2 *m, const void *data, size_t n)
{
	for (const uint8_t *p = data; n; p++, n--) {
		m->block[m->used++] = *p;
		if (m->used == MD2_BLOCK) {
			compress(m, m->block);
			m->used = 0;
		}
	}
}

void md2_final(struct md2 *m, uint8_t digest[MD2_SIZE])
{
	uint8_t padding = (uint8_t)(MD2_BLOCK - m->used), checksum[MD2_BLOCK];

	for (unsigned i = padding; i; i--)
		md2_update(m, &padding, 1);
	memcpy(checksum, m->checksum, sizeof checksum);
	compress(m, checksum);
	memcpy(digest, m->state, MD2_SIZE);
}

static void update_key(struct md2 *m, const uint8_t key[MD2_BLOCK], uint8_t mask)
{
	for (int i = 0; i < MD2_BLOCK; i++) {
		uint8_t byte = key[i] ^ mask;
		md2_update(m, &byte, 1);
	}
}

void hmac_md2_init(struct md2 *m, const uint8_t key[MD2_BLOCK])
{
	md2_init(m);
	update_key(m, key, 0x36);
}

void hmac_md2_final(struct md2 *m, const uint8_t key[MD2_BLOCK], uint8_t mac[MD2_SIZE])
{
	uint8_t inner[MD2_SIZE];

	md2_final(m, inner);
	md2_init(m);
	update_key(m, key, 0x5c);
	md2_update(m, inner, sizeof inner);
	md2_final(m, mac);
}
