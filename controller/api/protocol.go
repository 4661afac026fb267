// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// protocol refuses requests of another version of the protocol before anything else looks at them.
type protocol struct{}

func (protocol) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if err := checkProtocol(r.Any()); err != nil {
			return nil, err
		}
		return next(ctx, r)
	}
}

func (protocol) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (protocol) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		return next(ctx, checkedConn{c})
	}
}

type checkedConn struct{ connect.StreamingHandlerConn }

func (c checkedConn) Receive(m any) error {
	if err := c.StreamingHandlerConn.Receive(m); err != nil {
		return err
	}
	return checkProtocol(m)
}

func checkProtocol(m any) error {
	versioned, ok := m.(interface{ GetProtocol() uint32 })
	if !ok {
		return connect.NewError(connect.CodeInternal, fmt.Errorf("%T carries no protocol version", m))
	}
	switch v := versioned.GetProtocol(); v {
	case poolv1.Protocol:
		return nil
	case 0:
		return connect.NewError(connect.CodeInvalidArgument,
			fmt.Errorf(`the request carries no protocol version; this controller speaks version %d: {"protocol": %d, ...}`, poolv1.Protocol, poolv1.Protocol))
	default:
		return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(
			"versions do not match: the caller speaks pool protocol %d, the controller (release %s) speaks %d; install the same release of Orion on both",
			v, release.Version, poolv1.Protocol))
	}
}
