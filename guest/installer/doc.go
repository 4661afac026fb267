// SPDX-License-Identifier: Apache-2.0

// Package installer tests the client's installer. The installer itself is a shell script, install-client, behind which
// the script build puts an archive of what it installs; `make installer` does that.
package installer
