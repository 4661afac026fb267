// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
)

const (
	question = "orion-vm-agent? "
	answer   = "orion-vm-agent! "
	// lineMost bounds what is taken for a line of the greeting: other bytes are a predecessor's.
	lineMost = 128
)

// Greet is the host's part: it asks and waits for the answer to that very question.
func Greet(port io.ReadWriter) error {
	token := rand.Text()
	// The newline ends what may stand before.
	if _, err := fmt.Fprintf(port, "\n%s%s\n", question, token); err != nil {
		return fmt.Errorf("greet the guest's agent: %w", err)
	}
	for {
		line, err := readLine(port)
		if err != nil {
			return fmt.Errorf("wait for the guest's agent: %w", err)
		}
		if line == answer+token {
			return nil
		}
	}
}

// Await is the guest's part: it waits for a question and answers it.
func Await(port io.ReadWriter) error {
	for {
		line, err := readLine(port)
		if err != nil {
			return fmt.Errorf("wait for the host: %w", err)
		}
		if token, ok := strings.CutPrefix(line, question); ok {
			if _, err := fmt.Fprintf(port, "\n%s%s\n", answer, token); err != nil {
				return fmt.Errorf("answer the host: %w", err)
			}
			return nil
		}
	}
}

// readLine reads no byte beyond the line: what follows belongs to the conversation.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		if len(line) < lineMost {
			line = append(line, b[0])
		}
	}
}
