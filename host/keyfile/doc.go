// SPDX-License-Identifier: Apache-2.0

// Package keyfile reads Orion's configuration files: sections of keys in the INI format.
//
// A Schema declares the keys of a program, each bound to a variable, as package flag does for flags. Load
// fills the variables: first the defaults, then each file in turn, then the environment, so that what comes
// later wins. Every error names the file, the line and the key and says what is wanted; a key or a section
// that the schema does not know is an error, which suggests the nearest known name.
package keyfile
