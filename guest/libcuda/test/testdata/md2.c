// SPDX-License-Identifier: Apache-2.0
#include "../../md2.h"

#include <string.h>

#include "check.h"

/* RFC 1319, A.5. */
static const struct {
	const char *text, *digest;
} vectors[] = {
	{"", "8350e5a3e24c153df2275c9f80692773"},
	{"a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"},
	{"abc", "da853b0d3f88d99b30283a69e6ded6bb"},
	{"message digest", "ab4f496bfb2a530b219ff33031fe06b0"},
	{"abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"},
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "da33def2a42df13975352846c30338cd"},
	{"12345678901234567890123456789012345678901234567890123456789012345678901234567890", "d5976f79d83d3a0dc9806c3c66f3efd8"},
};

static void check_digest(const uint8_t *got, const char *want)
{
	char text[2 * MD2_SIZE + 1];
	for (int i = 0; i < MD2_SIZE; i++)
		sprintf(text + 2 * i, "%02x", got[i]);
	if (strcmp(text, want)) {
		fprintf(stderr, "digest is %s, want %s\n", text, want);
		check_failures = 1;
	}
}

int main(void)
{
	uint8_t digest[MD2_SIZE];
	struct md2 m;

	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		size_t n = strlen(vectors[i].text);
		for (size_t split = 0; split <= n; split++) { /* however it is handed over */
			md2_init(&m);
			md2_update(&m, vectors[i].text, split);
			md2_update(&m, vectors[i].text + split, n - split);
			md2_final(&m, digest);
			check_digest(digest, vectors[i].digest);
		}
	}

	/* HMAC as RFC 2104 writes it, from digests of whole messages. */
	uint8_t key[MD2_BLOCK], inner[MD2_BLOCK + 5], outer[MD2_BLOCK + MD2_SIZE], want[MD2_SIZE], got[MD2_SIZE];
	for (int i = 0; i < MD2_BLOCK; i++) {
		key[i] = (uint8_t)(17 * i);
		inner[i] = key[i] ^ 0x36;
		outer[i] = key[i] ^ 0x5c;
	}
	memcpy(inner + MD2_BLOCK, "hello", 5);
	md2_init(&m);
	md2_update(&m, inner, sizeof inner);
	md2_final(&m, outer + MD2_BLOCK);
	md2_init(&m);
	md2_update(&m, outer, sizeof outer);
	md2_final(&m, want);
	hmac_md2_init(&m, key);
	md2_update(&m, "hello", 5);
	hmac_md2_final(&m, key, got);
	CHECK(!memcmp(got, want, sizeof want));
	return check_failures;
}
