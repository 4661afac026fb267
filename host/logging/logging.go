// SPDX-License-Identifier: Apache-2.0

// Package logging sets up the logs of Orion's daemons: to the screen, to a file of bounded size, or both.
package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/orion-vgpu/orion/host/keyfile"
)

// A log file is turned at MaxFileMiB, and Backups old ones are kept, compressed.
const (
	MaxFileMiB = 64
	Backups    = 5
)

// Config is the section [log] of a configuration file.
type Config struct {
	WithTime  bool   // begin each line on the screen with the time; files always have it
	ToScreen  bool   // standard error
	ToFile    bool   // Dir/File
	Level     string // on the screen: DEBUG, INFO, WARNING or ERROR
	FileLevel string
	Dir       string
	File      string // the name that the program chooses; not a key
}

var levels = []string{"DEBUG", "INFO", "WARNING", "ERROR"}

// Declare adds a daemon's section [log] to a schema; it writes to the given file of the folder log_dir.
func (c *Config) Declare(s *keyfile.Schema, file string) {
	c.File = file
	c.declare(s, "INFO")
	s.String(&c.Dir, "log", "log_dir", "/var/log/orion")
}

// DeclareClient adds the section [log] of client.conf to a schema. A client says nothing on the screen of
// the program that it serves unless something is wrong; its files lie in ~/.orion/log.
func (c *Config) DeclareClient(s *keyfile.Schema) { c.declare(s, "WARNING") }

func (c *Config) declare(s *keyfile.Schema, screen string) {
	s.Bool(&c.WithTime, "log", "log_with_time", true)
	s.Bool(&c.ToScreen, "log", "log_to_screen", true)
	s.Bool(&c.ToFile, "log", "log_to_file", true)
	s.Choice(&c.Level, "log", "log_level", screen, levels...)
	s.Choice(&c.FileLevel, "log", "file_log_level", "INFO", levels...)
}

// New opens the logs. Close the closer when the last line has been written. Without screen and file, lines
// go nowhere.
func New(c Config) (*slog.Logger, io.Closer, error) { return newTo(c, os.Stderr) }

func newTo(c Config, screen io.Writer) (*slog.Logger, io.Closer, error) {
	var handlers []slog.Handler
	closer := io.Closer(nothing{})
	if c.ToScreen {
		level, err := ParseLevel(c.Level)
		if err != nil {
			return nil, nil, err
		}
		options := &slog.HandlerOptions{Level: level}
		if !c.WithTime {
			options.ReplaceAttr = dropTime
		}
		handlers = append(handlers, slog.NewTextHandler(screen, options))
	}
	if c.ToFile {
		level, err := ParseLevel(c.FileLevel)
		if err != nil {
			return nil, nil, err
		}
		file, err := openFile(filepath.Join(c.Dir, c.File))
		if err != nil {
			return nil, nil, err
		}
		closer = file
		handlers = append(handlers, slog.NewTextHandler(file, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(slog.NewMultiHandler(handlers...)), closer, nil
}

// openFile makes sure now that the file can be written, so that the mistake is told at start and not lost
// with the first line.
func openFile(path string) (io.WriteCloser, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, explain(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, explain(err)
	}
	if err := f.Close(); err != nil {
		return nil, explain(err)
	}
	return &lumberjack.Logger{Filename: path, MaxSize: MaxFileMiB, MaxBackups: Backups, Compress: true}, nil
}

func explain(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("open log file: %w; run as root, name another folder by [log] log_dir, or set log_to_file = false", err)
	}
	return fmt.Errorf("open log file: %w", err)
}

// ParseLevel reads a level as the files name it.
func ParseLevel(name string) (slog.Level, error) {
	switch name {
	case "DEBUG":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARNING":
		return slog.LevelWarn, nil
	case "ERROR":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level is %q: want DEBUG, INFO, WARNING or ERROR", name)
}

func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

type nothing struct{}

func (nothing) Close() error { return nil }
