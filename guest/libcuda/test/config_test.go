// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

const defaults = "vgpus=1 gmem=0 ratio=0 cross=0 socket=/run/orion/oriond.sock screen=1 file=2 time=1"

// In want, {system} and {user} stand for the paths of the two files.
var configs = []struct {
	name         string
	env          []string
	system, user string
	want         string
}{
	{"defaults", []string{"ORION_VGPU=1"}, "", "", defaults},
	{"all of the environment", []string{"ORION_VGPU=2", "ORION_GMEM=256", "ORION_RATIO=50", "ORION_CROSS_NODE=0", "ORION_SOCKET=/tmp/s"}, "", "",
		"vgpus=2 gmem=256 ratio=50 cross=0 socket=/tmp/s screen=1 file=2 time=1"},
	{"across nodes", []string{"ORION_VGPU=16", "ORION_RATIO=100", "ORION_CROSS_NODE=1"}, "", "",
		"vgpus=16 gmem=0 ratio=100 cross=1 socket=/run/orion/oriond.sock screen=1 file=2 time=1"},
	{"empty counts as unset", []string{"ORION_VGPU=1", "ORION_GMEM=", "ORION_SOCKET="}, "", "", defaults},

	{"no number of vGPUs", nil, "", "", "error: ORION_VGPU is not set: say how many vGPUs this program wants, e.g. ORION_VGPU=1 ./program"},
	{"none", []string{"ORION_VGPU=0"}, "", "", `error: ORION_VGPU is "0": want a whole number from 1 to 16`},
	{"negative", []string{"ORION_VGPU=-1"}, "", "", `error: ORION_VGPU is "-1": want`},
	{"a word", []string{"ORION_VGPU=two"}, "", "", `error: ORION_VGPU is "two": want`},
	{"too many", []string{"ORION_VGPU=17"}, "", "", `error: ORION_VGPU is "17": want`},
	{"beyond an integer", []string{"ORION_VGPU=18446744073709551617"}, "", "", `error: ORION_VGPU is "18446744073709551617": want`},
	{"trailing", []string{"ORION_VGPU=1x"}, "", "", `error: ORION_VGPU is "1x": want`},
	{"a space", []string{"ORION_VGPU= 1"}, "", "", `error: ORION_VGPU is " 1": want`},
	{"memory", []string{"ORION_VGPU=1", "ORION_GMEM=abc"}, "", "", `error: ORION_GMEM is "abc": want a whole number from 1 to 16777216`},
	{"no memory", []string{"ORION_VGPU=1", "ORION_GMEM=0"}, "", "", `error: ORION_GMEM is "0": want`},
	{"ratio 0", []string{"ORION_VGPU=1", "ORION_RATIO=0"}, "", "", `error: ORION_RATIO is "0": want a whole number from 1 to 100`},
	{"ratio 101", []string{"ORION_VGPU=1", "ORION_RATIO=101"}, "", "", `error: ORION_RATIO is "101": want`},
	{"cross in words", []string{"ORION_VGPU=1", "ORION_CROSS_NODE=yes"}, "", "", `error: ORION_CROSS_NODE is "yes": want a whole number from 0 to 1`},
	{"cross with a share", []string{"ORION_VGPU=2", "ORION_RATIO=50", "ORION_CROSS_NODE=1"}, "", "", "error: ORION_CROSS_NODE=1 needs whole GPUs: set ORION_RATIO=100"},
	{"cross with the default share", []string{"ORION_VGPU=2", "ORION_CROSS_NODE=1"}, "", "", "error: ORION_CROSS_NODE=1 needs whole GPUs"},
	{"relative socket", []string{"ORION_VGPU=1", "ORION_SOCKET=s"}, "", "", `error: ORION_SOCKET is "s": want the absolute path`},
	{"long socket", []string{"ORION_VGPU=1", "ORION_SOCKET=/" + strings.Repeat("s", 107)}, "", "", "error: ORION_SOCKET is"},

	{"all keys", []string{"ORION_VGPU=1"}, `# a comment
[log]
log_with_time = no
log_level = debug
file_log_level = ERROR ; why not
[controller]
controller_addr = [::1]:9123
[client]
enable_net = false
server_addr = 10.0.0.1:9960
relay_socket = /tmp/r
socket = "/tmp/a b"
`, "", "vgpus=1 gmem=0 ratio=0 cross=0 socket=/tmp/a b screen=3 file=0 time=0"},
	{"the user's file stands above", []string{"ORION_VGPU=1"}, "[client]\nsocket=/system\n[log]\nlog_with_time=false\n", "[client]\nsocket=/user\n",
		"vgpus=1 gmem=0 ratio=0 cross=0 socket=/user screen=1 file=2 time=0"},
	{"the environment stands above both", []string{"ORION_VGPU=1", "ORION_SOCKET=/env"}, "[client]\nsocket=/system\n", "[client]\nsocket=/user\n",
		"vgpus=1 gmem=0 ratio=0 cross=0 socket=/env screen=1 file=2 time=1"},
	{"no log", []string{"ORION_VGPU=1"}, "[log]\nlog_to_screen=off\nlog_to_file=0\n", "",
		"vgpus=1 gmem=0 ratio=0 cross=0 socket=/run/orion/oriond.sock screen=-1 file=-1 time=1"},
	{"mark, carriage returns", []string{"ORION_VGPU=1"}, "\xef\xbb\xbf[client]\r\nsocket = /s#1 # x\r\n", "",
		"vgpus=1 gmem=0 ratio=0 cross=0 socket=/s#1 screen=1 file=2 time=1"},

	{"unknown key", []string{"ORION_VGPU=1"}, "", "\n[log]\nlog_levle = INFO\n",
		"error: {user}:3: [log] has no key log_levle; known are log_with_time, log_to_screen, log_to_file, log_level, file_log_level"},
	{"key of another section", []string{"ORION_VGPU=1"}, "[client]\ncontroller_addr = a:1\n", "", "error: {system}:2: [client] has no key controller_addr; it belongs into [controller]"},
	{"unknown section", []string{"ORION_VGPU=1"}, "[sever]\n", "", "error: {system}:1: there is no section [sever]; known are [log], [controller] and [client]"},
	{"not a level", []string{"ORION_VGPU=1"}, "[log]\nlog_level = LOUD\n", "", `error: {system}:2: [log] log_level = "LOUD": want one of DEBUG, INFO, WARNING, ERROR`},
	{"not a boolean", []string{"ORION_VGPU=1"}, "[client]\nenable_net = maybe\n", "", `error: {system}:2: [client] enable_net = "maybe": want true or false`},
	{"no port", []string{"ORION_VGPU=1"}, "[controller]\ncontroller_addr = here\n", "", `error: {system}:2: [controller] controller_addr = "here": want an address and a port`},
	{"no port of an oriond", []string{"ORION_VGPU=1"}, "[client]\nserver_addr = here\n", "", `error: {system}:2: [client] server_addr = "here": want an address and a port`},
	{"no oriond named", []string{"ORION_VGPU=1"}, "[client]\nserver_addr =\n", "", defaults},
	{"the relay's socket", []string{"ORION_VGPU=1"}, "[client]\nrelay_socket = r\n", "", `error: {system}:2: [client] relay_socket = "r": want the absolute path of orion-relay's socket`},
	{"port too large", []string{"ORION_VGPU=1"}, "[controller]\ncontroller_addr = a:65536\n", "", "want an address and a port"},
	{"no assignment", []string{"ORION_VGPU=1"}, "[client]\nsocket /x\n", "", `error: {system}:2: "socket /x": want key = value`},
	{"no section", []string{"ORION_VGPU=1"}, "socket = /x\n", "", "error: {system}:1: socket stands before any section; put a line such as [log] above it"},
	{"open section", []string{"ORION_VGPU=1"}, "[client\n", "", `error: {system}:1: "[client": a section is written as [name]`},
	{"set twice", []string{"ORION_VGPU=1"}, "[client]\nsocket=/a\n\nsocket=/b\n", "", "error: {system}:4: [client] socket is set twice, first on line 2; remove one"},
	{"binary", []string{"ORION_VGPU=1"}, "[client]\x00\n", "", "error: {system}: it is not a text file"},
	{"long line", []string{"ORION_VGPU=1"}, "[" + strings.Repeat("a", 5000) + "]\n", "", "error: {system}:1: there is no section [aaa"},
	{"too large", []string{"ORION_VGPU=1"}, strings.Repeat("#\n", 1<<19), "", "error: {system}: it is larger than 1 MiB"},
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cc := range ctest.Compilers(t) {
		program := ctest.Program(t, cc, "address,undefined", "testdata/config.c", "../config.c", "../keyfile.c", "../log.c", "../logs.c")
		for _, c := range configs {
			t.Run(filepath.Base(cc)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				env := append([]string{"HOME=" + home}, c.env...)
				system, user := filepath.Join(home, "system.conf"), filepath.Join(home, ".orion", "client.conf")
				write(t, system, c.system)
				env = append(env, "ORION_CONFIG="+system)
				if c.user != "" {
					write(t, user, c.user)
				}
				got, _ := ctest.Run(t, program, env)
				want := strings.NewReplacer("{system}", system, "{user}", user).Replace(c.want)
				if !strings.Contains(got, want) {
					t.Errorf("got %swant %s", got, want)
				}
			})
		}
		t.Run(filepath.Base(cc)+"/named but absent", func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "absent.conf")
			got, _ := ctest.Run(t, program, []string{"ORION_VGPU=1", "ORION_CONFIG=" + path})
			if !strings.Contains(got, "error: "+path+": read configuration: No such file or directory") {
				t.Errorf("got %s", got)
			}
		})
		t.Run(filepath.Base(cc)+"/no home", func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "empty.conf")
			write(t, path, "")
			if got, _ := ctest.Run(t, program, []string{"ORION_VGPU=1", "ORION_CONFIG=" + path}); got != defaults+"\n" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestConfigGarbage feeds mangled files: each is either read or refused with its name, under the sanitizers.
func TestConfigGarbage(t *testing.T) {
	t.Parallel()
	cc := ctest.Compilers(t)[0]
	program := ctest.Program(t, cc, "address,undefined", "testdata/config.c", "../config.c", "../keyfile.c", "../log.c", "../logs.c")
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "client.conf")
	refused := 0
	for range 150 {
		text := []byte("# x\n[log]\nlog_level = \"DEBUG\" ; y\n[controller]\ncontroller_addr = a:1\n[client]\nsocket = /s\n")
		for range 1 + random.IntN(8) {
			const special = "\x00\n\r[]=\"'#; \xef\xff"
			text[random.IntN(len(text))] = special[random.IntN(len(special))]
		}
		write(t, path, string(text[:random.IntN(len(text)+1)]))
		got, _ := ctest.Run(t, program, []string{"ORION_VGPU=1", "ORION_CONFIG=" + path})
		switch {
		case strings.HasPrefix(got, "error: "+path+":"):
			refused++
		case !strings.HasPrefix(got, "vgpus=1 "):
			t.Errorf("%q: %s", text, got)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d of 150 refused", refused)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
