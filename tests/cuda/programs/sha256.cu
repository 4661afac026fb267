// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of many messages at once, against published digests and the CPU.
#include <string>

#include "check.h"

#define CONSTANTS                                                                                              \
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, \
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1,         \
        0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,         \
        0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,         \
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1,         \
        0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,         \
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,         \
        0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2

__constant__ unsigned device_constants[64] = {CONSTANTS};
static const unsigned host_constants[64] = {CONSTANTS};

__host__ __device__ unsigned rotate(unsigned v, int n) { return v >> n | v << (32 - n); }

__host__ __device__ void digest(const unsigned char *message, int length, unsigned *h, const unsigned *k) {
    const unsigned start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (int i = 0; i < 8; i++) h[i] = start[i];
    int blocks = (length + 9 + 63) / 64;
    for (int b = 0; b < blocks; b++) {
        unsigned w[64];
        for (int i = 0; i < 16; i++) {
            w[i] = 0;
            for (int j = 0; j < 4; j++) {
                int at = b * 64 + i * 4 + j;
                unsigned byte = at < length ? message[at] : at == length ? 0x80 : 0;
                w[i] = w[i] << 8 | byte;
            }
        }
        if (b == blocks - 1) w[15] = length * 8;
        for (int i = 16; i < 64; i++) {
            unsigned s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            unsigned s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        unsigned v[8];
        for (int i = 0; i < 8; i++) v[i] = h[i];
        for (int i = 0; i < 64; i++) {
            unsigned s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            unsigned t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            unsigned s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            unsigned t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            for (int j = 7; j > 0; j--) v[j] = v[j - 1];
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) h[i] += v[i];
    }
}

__global__ void hash(const unsigned char *text, const int *starts, unsigned *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) digest(text + starts[i], starts[i + 1] - starts[i], out + i * 8, device_constants);
}

int main() {
    std::string text = "abc";
    std::vector<int> starts = {0, 0, 3}; // the empty message, then "abc"
    Random random(27);
    const int n = 400;
    for (int i = 2; i < n; i++) {
        for (int l = random.below(130); l > 0; l--) text += (char)random.bits();
        starts.push_back((int)text.size());
    }
    std::vector<unsigned char> bytes(text.begin(), text.end());
    std::vector<unsigned> want(n * 8);
    for (int i = 0; i < n; i++) digest(&bytes[0] + starts[i], starts[i + 1] - starts[i], &want[i * 8], host_constants);
    unsigned *out = device_array<unsigned>(n * 8);
    hash<<<(n + 63) / 64, 64>>>(to_device(bytes), to_device(starts), out, n);
    launched();
    std::vector<unsigned> got = to_host(out, n * 8);
    const unsigned published[16] = {0xe3b0c442, 0x98fc1c14, 0x9afbf4c8, 0x996fb924, 0x27ae41e4, 0x649b934c, 0xa495991b, 0x7852b855,
                                    0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    expect_same("published digests", std::vector<unsigned>(got.begin(), got.begin() + 16), std::vector<unsigned>(published, published + 16));
    expect_same("digests", got, want);
    return 0;
}
