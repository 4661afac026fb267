// SPDX-License-Identifier: Apache-2.0

// Package check looks for what can be wrong with an installation, and says it in one line for each thing.
//
// A tool first gathers facts of a machine, with package system and its neighbours, and then judges them: a Check
// is a name, a remedy and a function from facts to a Finding. So what is judged can be made up in tests.
package check
