// SPDX-License-Identifier: Apache-2.0
//
// Breadth-first search of a graph, a launch to a level, the next level gathered
// in a queue.
#include <queue>

#include "check.h"

__global__ void level(const int *starts, const int *edges, int *distance, const int *queue, int count, int *next,
                      int *next_count, int depth) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int node = queue[i];
    for (int e = starts[node]; e < starts[node + 1]; e++) {
        int to = edges[e];
        if (distance[to] == -1 && atomicCAS(&distance[to], -1, depth) == -1) next[atomicAdd(next_count, 1)] = to;
    }
}

int main() {
    const int n = 4000;
    std::vector<std::vector<int>> out(n);
    Random random(31);
    for (int i = 0; i < n; i++) {
        if (i % 50 == 49) continue; // some lead nowhere
        int many = i % 300 == 0 ? 200 : random.below(4);
        for (int k = 0; k < many; k++) out[i].push_back(random.below(n * 9 / 10)); // some are never reached
        out[i].push_back(std::min(n - 1, i + 1));
    }
    std::vector<int> starts(1, 0), edges, want(n, -1);
    for (auto &o : out) {
        edges.insert(edges.end(), o.begin(), o.end());
        starts.push_back((int)edges.size());
    }
    std::queue<int> q;
    want[0] = 0;
    for (q.push(0); !q.empty(); q.pop())
        for (int to : out[q.front()])
            if (want[to] == -1) want[to] = want[q.front()] + 1, q.push(to);

    int *ds = to_device(starts), *de = to_device(edges), *queues[2], *count, depth = 0, found = 1;
    std::vector<int> first(n, -1);
    first[0] = 0;
    int *distance = to_device(first);
    queues[0] = to_device(std::vector<int>(n, 0));
    queues[1] = device_array<int>(n);
    CHECK(cudaMalloc(&count, sizeof(int)));
    while (found) {
        CHECK(cudaMemsetAsync(count, 0, sizeof(int)));
        level<<<(found + 127) / 128, 128>>>(ds, de, distance, queues[depth & 1], found, queues[(depth + 1) & 1], count, depth + 1);
        CHECK(cudaMemcpy(&found, count, sizeof found, cudaMemcpyDeviceToHost));
        depth++;
    }
    expect_same("distances", to_host(distance, n), want);
    return 0;
}
