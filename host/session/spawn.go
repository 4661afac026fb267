// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/worker"
)

// clientLibraries is where the client's libcuda.so.1 is installed: a worker that loaded it in place of the
// driver would be its own client.
const clientLibraries = "/usr/lib/orion"

// spawn starts a worker: this executable once more, in a session of its own, with an environment that holds
// only what it needs, as the worker user, and without a way to new privileges. It inherits files from
// worker.SocketFD on.
func (s *Server) spawn(conf worker.Config, title string, log *os.File, files ...*os.File) (*exec.Cmd, *process.Handle, error) {
	encoded, err := json.Marshal(conf)
	if err != nil {
		return nil, nil, fmt.Errorf("start worker: %w", err)
	}
	pidfd := -1
	cmd := &exec.Cmd{
		// The same file even when a package upgrade has replaced it on disk.
		Path:       "/proc/self/exe",
		Args:       slices.Concat([]string{"oriond"}, s.opt.WorkerArgs, []string{title}), // for ps
		Env:        append(workerEnv(os.Environ(), conf), worker.ConfigEnv+"="+string(encoded)),
		Dir:        "/",
		Stdout:     log,
		Stderr:     log,
		ExtraFiles: files,
		// No Pdeathsig: a worker outlives oriond.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: s.workerUser, PidFD: &pidfd},
	}
	cmd.Env = append(cmd.Env, s.opt.WorkerEnv...)
	if err := startConfined(cmd); err != nil {
		return nil, nil, fmt.Errorf("start worker: %w", err)
	}
	if pidfd < 0 {
		err = fmt.Errorf("start worker: this kernel has no pidfd: oriond needs Linux 5.4 or later")
	}
	var h *process.Handle
	if err == nil {
		h, err = process.FromFD(pidfd)
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, nil, err
	}
	return cmd, h, nil
}

// end kills a worker and reaps it. Its pidfd does not block, which exec's own shares: cmd.Wait alone would find the
// process still there and give up.
func end(cmd *exec.Cmd, h *process.Handle) {
	h.Kill()
	h.Wait()
	cmd.Wait()
	h.Close()
}

// employ gives a session a worker: one on standby where there is one for its GPU, else a new one.
func (s *Server) employ(conf worker.Config, in worker.Inheritance) (*exec.Cmd, *process.Handle, error) {
	files := []*os.File{in.Socket, in.Region}
	if in.Client == nil {
		conf.PID = 0 // no descriptor, no process to watch
	} else {
		files = append(files, in.Client)
	}
	if len(conf.VGPUs) == 1 {
		if w := s.standby.take(conf.VGPUs[0].UUID); w != nil {
			err := worker.Assign(w.control, conf, in)
			w.control.Close()
			if err == nil {
				return w.cmd, w.handle, nil
			}
			w.dismiss()
			s.log.Warn("a worker on standby was of no use", "reason", err)
		}
	}
	return s.spawn(conf, conf.Session, in.Log, files...)
}

// startConfined starts cmd with no_new_privs. That is a property of a thread, which a child inherits from the
// thread that forks it; oriond itself keeps its privileges.
func startConfined(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine and takes the property with it.
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			done <- fmt.Errorf("give up new privileges: %w", err)
			return
		}
		done <- cmd.Start()
	}()
	return <-done
}

// workerEnv keeps of oriond's environment what a worker needs. With CUDA_VISIBLE_DEVICES the driver shows the
// granted GPUs only, in the order of the lease: its ordinals are the client's.
func workerEnv(env []string, conf worker.Config) []string {
	var out []string
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "GOCOVERDIR":
			out = append(out, kv)
		case "LD_LIBRARY_PATH":
			dirs := slices.DeleteFunc(filepath.SplitList(value), func(dir string) bool {
				return filepath.Clean(dir) == clientLibraries
			})
			if len(dirs) > 0 {
				out = append(out, name+"="+strings.Join(dirs, string(filepath.ListSeparator)))
			}
		}
	}
	if conf.Backend == gpu.BackendCUDA {
		var uuids []string
		for _, v := range conf.VGPUs {
			uuids = append(uuids, v.UUID)
		}
		out = append(out, "CUDA_VISIBLE_DEVICES="+strings.Join(uuids, ","))
	}
	return out
}

// credential looks up the user that workers run as; nil is oriond's own.
func credential(name string) (*syscall.Credential, error) {
	if name == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("find the user of workers: %w; name another by --worker-user", err)
	}
	groups, err := u.GroupIds() // for the groups that own device nodes
	if err != nil {
		return nil, fmt.Errorf("find the groups of user %s: %w", name, err)
	}
	var ids []uint32
	for _, text := range append([]string{u.Uid, u.Gid}, groups...) {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("find the user of workers: %w", err)
		}
		ids = append(ids, uint32(id))
	}
	return &syscall.Credential{Uid: ids[0], Gid: ids[1], Groups: ids[2:]}, nil
}
