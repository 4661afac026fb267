// SPDX-License-Identifier: Apache-2.0
//
// Edit distances of many pairs of words: diagonals in shared memory, a block to
// a pair.
#include <string>

#include "check.h"

#define LONGEST 64

__global__ void distances(const char *words, const int *lengths, int *out) {
    __shared__ int diagonal[3][LONGEST + 1];
    const char *a = words + blockIdx.x * 2 * LONGEST, *b = a + LONGEST;
    int n = lengths[blockIdx.x * 2], m = lengths[blockIdx.x * 2 + 1], i = threadIdx.x;
    for (int d = 0; d <= n + m; d++) {
        int j = d - i;
        if (i <= n && j >= 0 && j <= m) {
            int v;
            if (i == 0) v = j;
            else if (j == 0) v = i;
            else {
                int skip = min(diagonal[(d + 2) % 3][i - 1], diagonal[(d + 2) % 3][i]) + 1;
                v = min(skip, diagonal[(d + 1) % 3][i - 1] + (a[i - 1] != b[j - 1]));
            }
            diagonal[d % 3][i] = v;
        }
        __syncthreads();
    }
    if (i == 0) out[blockIdx.x] = diagonal[(n + m) % 3][n];
}

int distance(const std::string &a, const std::string &b) {
    std::vector<std::vector<int>> t(a.size() + 1, std::vector<int>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); i++)
        for (size_t j = 0; j <= b.size(); j++)
            t[i][j] = i == 0   ? (int)j
                      : j == 0 ? (int)i
                               : std::min(std::min(t[i - 1][j], t[i][j - 1]) + 1, t[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
    return t[a.size()][b.size()];
}

int main() {
    const int n = 60;
    std::vector<char> words(n * 2 * LONGEST);
    std::vector<int> lengths(n * 2), want(n);
    Random random(34);
    for (int i = 0; i < n; i++) {
        std::string w[2];
        for (int k = 0; k < 2; k++) {
            for (int l = random.below(LONGEST); l > 0; l--) w[k] += (char)('a' + random.below(3));
            if (k == 1 && i % 3 == 0) w[1] = w[0].substr(w[0].size() / 4);
            memcpy(&words[(i * 2 + k) * LONGEST], w[k].data(), w[k].size());
            lengths[i * 2 + k] = (int)w[k].size();
        }
        want[i] = distance(w[0], w[1]);
    }
    int *out = device_array<int>(n);
    distances<<<n, LONGEST + 1>>>(to_device(words), to_device(lengths), out);
    launched();
    expect_same("distances", to_host(out, n), want);
    return 0;
}
