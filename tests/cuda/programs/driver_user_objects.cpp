// SPDX-License-Identifier: Apache-2.0
//
// User objects end when nobody holds them: not the program, nor a graph, an instance of it, a copy, a graph within
// another, or a launch under way.
#include <atomic>
#include <chrono>
#include <thread>

#include "driver.h"

#if CUDA_VERSION >= 11030
static CUstream s;

// thing is what a user object is for.
struct thing {
    std::atomic<int> ended{0};
    CUuserObject object;
    explicit thing(unsigned references = 1) {
        CU(cuUserObjectCreate(
            &object, this, [](void *p) { static_cast<thing *>(p)->ended++; }, references, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    }
};

// ends waits for a destructor, which runs some time after the last reference is gone.
static void ends(const char *name, thing &t) {
    for (int i = 0; !t.ended && i < 5000; i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT(t.ended == 1, "%s: ended %d times", name, t.ended.load());
}

static void lives(const char *name, thing &t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT(!t.ended, "%s: has ended", name);
}

static void retain(CUgraph graph, thing &t) { CU(cuGraphRetainUserObject(graph, t.object, 1, CU_GRAPH_USER_OBJECT_MOVE)); }

static CUgraph new_graph() {
    CUgraph graph;
    CU(cuGraphCreate(&graph, 0));
    return graph;
}

static CUgraphExec instance(CUgraph graph) {
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    return exec;
}

static void counts() {
    thing t(2);
    CU(cuUserObjectRetain(t.object, 3));
    CU(cuUserObjectRelease(t.object, 4));
    lives("counted", t);
    CU(cuUserObjectRelease(t.object, 1));
    ends("counted", t);
    CUuserObject none;
    EXPECT(cuUserObjectCreate(&none, nullptr, nullptr, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) == CUDA_ERROR_INVALID_VALUE, "no destructor");
    EXPECT(cuUserObjectCreate(&none, nullptr, [](void *) {}, 0, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) == CUDA_ERROR_INVALID_VALUE, "no reference");
}

static void graphs() {
    thing kept, moved, released;
    CUgraph graph = new_graph();
    CU(cuGraphRetainUserObject(graph, kept.object, 1, 0));
    retain(graph, moved);
    CU(cuGraphRetainUserObject(graph, released.object, 2, 0));
    CU(cuUserObjectRelease(released.object, 1));
    CU(cuGraphReleaseUserObject(graph, released.object, 1));
    lives("half released", released);
    CU(cuGraphReleaseUserObject(graph, released.object, 1));
    ends("released", released);
    CU(cuGraphDestroy(graph));
    ends("moved", moved);
    lives("kept", kept);
    CU(cuUserObjectRelease(kept.object, 1));
    ends("kept", kept);
}

// What is made of a graph holds what the graph did then.
static void instances() {
    thing old, later;
    CUgraph graph = new_graph(), clone;
    retain(graph, old);
    CU(cuGraphClone(&clone, graph));
    CUgraphExec first = instance(graph), second = instance(clone);
    CU(cuGraphReleaseUserObject(graph, old.object, 1));
    retain(graph, later);
    CU(cuGraphDestroy(graph));
    ends("after the graph", later);
    CU(cuGraphExecDestroy(first));
    CU(cuGraphDestroy(clone));
    lives("of the second instance", old);
    CU(cuGraphLaunch(second, s));
    CU(cuStreamSynchronize(s));
    CU(cuGraphExecDestroy(second));
    ends("of the second instance", old);
}

// A graph within another is a copy with references of its own, which ends with its node.
static void children() {
    thing t;
    CUgraph graph = new_graph(), child = new_graph();
    CUgraphNode node;
    retain(child, t);
    CU(cuGraphAddChildGraphNode(&node, graph, nullptr, 0, child));
    CU(cuGraphDestroy(child));
    CUgraphExec exec = instance(graph);
    CU(cuGraphDestroyNode(node));
    CU(cuGraphDestroy(graph));
    lives("of a child's instance", t);
    CU(cuGraphExecDestroy(exec));
    ends("of a child's instance", t);

    thing within;
    graph = new_graph(), child = new_graph();
    CU(cuGraphAddChildGraphNode(&node, graph, nullptr, 0, child));
    CUgraph inner;
    CU(cuGraphChildGraphNodeGetGraph(node, &inner));
    retain(inner, within);
    CU(cuGraphDestroy(child));
    lives("of a child", within);
    CU(cuGraphDestroyNode(node));
    ends("of a child", within);
    CU(cuGraphDestroy(graph));
}

// An update takes the new graph's references for the old one's.
static void updates() {
    thing before, after;
    CUgraph one = new_graph(), two = new_graph();
    retain(one, before);
    retain(two, after);
    CUgraphExec exec = instance(one);
    CU(cuGraphDestroy(one));
    lives("before the update", before);
#if CUDA_VERSION >= 12000
    CUgraphExecUpdateResultInfo info;
    CU(cuGraphExecUpdate(exec, two, &info));
#else
    CUgraphNode node;
    CUgraphExecUpdateResult result;
    CU(cuGraphExecUpdate(exec, two, &node, &result));
#endif
    ends("before the update", before);
    CU(cuGraphDestroy(two));
    lives("after the update", after);
    CU(cuGraphExecDestroy(exec));
    ends("after the update", after);
}

// A launch under way holds what its instance did.
static void launches(CUcontext context) {
    thing t;
    std::atomic<int> gate{0}; // 1: the launch has begun, 2: it may end
    CUgraph graph = new_graph();
    CUgraphNode node;
    CUDA_HOST_NODE_PARAMS host = {};
    host.userData = &gate;
    host.fn = [](void *p) {
        auto &gate = *static_cast<std::atomic<int> *>(p);
        for (gate = 1; gate != 2;)
            std::this_thread::yield();
    };
    CU(cuGraphAddHostNode(&node, graph, nullptr, 0, &host));
    retain(graph, t);
    CUgraphExec exec = instance(graph);
    CU(cuGraphDestroy(graph));
    CU(cuGraphLaunch(exec, s));
    for (int i = 0; !gate && i < 5000; i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT(gate, "the launch does not begin");
    std::thread destroyer([&] { // which may wait for the launch
        CU(cuCtxSetCurrent(context));
        CU(cuGraphExecDestroy(exec));
    });
    lives("under way", t);
    gate = 2;
    CU(cuStreamSynchronize(s));
    destroyer.join();
    ends("under way", t);
}

#if CUDA_VERSION >= 12030
// A conditional node ends with its bodies.
static void bodies(CUcontext context) {
    thing t;
    CUgraph graph = new_graph();
    CUgraphNode node;
    CUgraphNodeParams p = {};
    p.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    p.conditional.type = CU_GRAPH_COND_TYPE_IF;
    p.conditional.size = 1;
    p.conditional.ctx = context;
    CU(cuGraphConditionalHandleCreate(&p.conditional.handle, graph, context, 0, 0));
#if CUDA_VERSION >= 13000
    CU(cuGraphAddNode(&node, graph, nullptr, nullptr, 0, &p));
#else
    CU(cuGraphAddNode(&node, graph, nullptr, 0, &p));
#endif
    retain(p.conditional.phGraph_out[0], t);
    lives("of a body", t);
    CU(cuGraphDestroyNode(node));
    ends("of a body", t);
    CU(cuGraphDestroy(graph));
}
#endif

// Handles are used again, and many at once end.
static void many() {
    enum { N = 1500 };
    static std::atomic<int> ended{0};
    for (int round = 1; round <= 2; round++) {
        CUgraph graph = new_graph();
        for (int i = 0; i < N; i++) {
            CUuserObject o;
            CU(cuUserObjectCreate(&o, nullptr, [](void *) { ended++; }, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
            CU(cuGraphRetainUserObject(graph, o, 1, CU_GRAPH_USER_OBJECT_MOVE));
        }
        EXPECT(ended == (round - 1) * N, "round %d: %d have ended", round, ended.load());
        CU(cuGraphDestroy(graph));
        for (int i = 0; ended < round * N && i < 5000; i++)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT(ended == round * N, "round %d: %d of %d have ended", round, ended.load(), round * N);
    }
}

int main() {
    CUcontext context = start();
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    counts();
    graphs();
    instances();
    children();
    updates();
    launches(context);
#if CUDA_VERSION >= 12030
    bodies(context);
#endif
    many();
    CU(cuStreamDestroy(s));
    CU(cuCtxDestroy(context));
    return 0;
}
#else
int main() { SKIP("CUDA is older than user objects"); }
#endif
