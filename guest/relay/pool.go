// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// listTime bounds a question to the controller.
const listTime = 5 * time.Second

// Pool asks the controller at address, host:port, for the nodes that have vGPUs left, those with most first.
func Pool(ctx context.Context, address string) ([]Server, error) {
	client := poolv1connect.NewPoolServiceClient(http.DefaultClient, "http://"+address)
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	answer, err := client.List(ctx, connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		return nil, fmt.Errorf("ask orion-controller at %s for nodes: %w", address, err)
	}
	var list []Server
	for _, n := range byRoom(answer.Msg.GetPool().GetNodes()) {
		s := TCP(n.Node.DataAddress)
		s.Name = fmt.Sprintf("%s (%s)", n.Node.Name, n.Node.DataAddress)
		list = append(list, s)
	}
	return list, nil
}

// byRoom keeps the nodes that can be asked, and puts those with most vGPUs left first.
func byRoom(nodes []*poolv1.NodeStatus) []*poolv1.NodeStatus {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n *poolv1.NodeStatus) bool {
		return n.State != poolv1.NodeStatus_STATE_READY || n.GetNode().GetDataAddress() == "" || len(n.Node.Gpus) == 0
	})
	slices.SortStableFunc(nodes, func(a, b *poolv1.NodeStatus) int { return cmp.Compare(left(b), left(a)) })
	return nodes
}

// left is how many vGPUs of a node are not granted.
func left(n *poolv1.NodeStatus) int {
	free := len(n.Node.Gpus) * int(n.Node.VgpuCount)
	for _, g := range n.Granted {
		free -= int(g.GetVgpus())
	}
	return free
}
