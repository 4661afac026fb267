// SPDX-License-Identifier: Apache-2.0

package pool

import "fmt"

// Kind says what a caller can do about an Error.
type Kind int

// Kinds of errors. A demand without a place is a *scheduler.Refusal instead.
const (
	Invalid     Kind = iota + 1 // the request can never be right
	UnknownNode                 // the node has to register first
	NameTaken                   // another oriond has the node's name
	Ended                       // the lease was released
	Starting                    // ask again in a moment
	Full                        // the pool takes no more nodes
)

// Error is a request that the pool turns down, with the reason in words.
type Error struct {
	Kind  Kind
	Words string
}

func (e *Error) Error() string { return e.Words }

func errorf(kind Kind, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}
