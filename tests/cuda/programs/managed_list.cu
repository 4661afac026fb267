// SPDX-License-Identifier: Apache-2.0
//
// Managed memory: a list that the host builds and a kernel walks, and the other way round.
#include "check.h"

struct Node {
    Node *next;
    int value;
};

__global__ void sum(const Node *n, int *total) {
    *total = 0;
    for (; n; n = n->next) *total += n->value;
}

// build makes a list of the nodes that follow the first.
__global__ void build(Node *first, int n) {
    for (int i = 0; i < n; i++) {
        first[i].value = 3 * i;
        first[i].next = i + 1 < n ? &first[i + 1] : nullptr;
    }
}

__global__ void reverse(Node **head) {
    Node *done = nullptr;
    for (Node *n = *head; n;) {
        Node *next = n->next;
        n->next = done;
        done = n;
        n = next;
    }
    *head = done;
}

template <class T> static T *managed(size_t n) {
    T *p;
    CHECK(cudaMallocManaged(&p, n * sizeof(T)));
    return p;
}

int main() {
    const int n = 500;
    int *total = managed<int>(1);
    // Each node an allocation of its own; only the first is named to the kernel.
    Node *head = nullptr;
    std::vector<Node *> all;
    int want = 0;
    for (int i = 0; i < 50; i++) {
        Node *node = managed<Node>(1);
        node->value = i * i;
        node->next = head;
        head = node;
        want += i * i;
        all.push_back(node);
    }
    sum<<<1, 1>>>(head, total);
    launched();
    EXPECT(*total == want, "the kernel has added up %d, want %d", *total, want);

    Node *nodes = managed<Node>(n);
    build<<<1, 1>>>(nodes, n);
    launched();
    int length = 0;
    for (Node *p = nodes; p; p = p->next, length++) EXPECT(p->value == 3 * length, "node %d is %d", length, p->value);
    EXPECT(length == n, "the list has %d nodes", length);

    Node **both = managed<Node *>(1);
    *both = nodes;
    for (int round = 0; round < 3; round++) {
        reverse<<<1, 1>>>(both);
        launched();
        int expected = round % 2 ? 0 : 3 * (n - 1);
        EXPECT((*both)->value == expected, "the first of the list is %d, want %d", (*both)->value, expected);
        (*both)->value = expected; // the host writes between
    }
    for (Node *node : all) CHECK(cudaFree(node));
    CHECK(cudaFree(nodes));
    CHECK(cudaFree(both));
    CHECK(cudaFree(total));
    return 0;
}
