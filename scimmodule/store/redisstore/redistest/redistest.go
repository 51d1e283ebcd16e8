// Package redistest starts real redis-server processes for tests. It must not
// be used outside of tests: its servers end with the test.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server process with its data in a directory of its own.
type Server struct {
	Addr   string // host:port on the loopback interface
	Socket string // path of its Unix socket
	Dir    string // where it keeps its data

	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts a server with no persistence, unless the arguments (as on the
// command line: "--appendonly", "yes") say otherwise. It returns when the
// server answers, and fails the test where redis-server is missing.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "redis") // the path of a socket is at most 107 bytes long
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Dir: dir, Socket: filepath.Join(dir, "redis.sock"), args: args}
	tb.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("removing the data of redis-server: %v", err)
		}
	})
	for range 5 { // another process may be given the port first
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(tb)))
		if err = s.start(); err == nil {
			return s
		}
	}
	tb.Fatalf("redis-server does not start: %v", err)
	return nil
}

// StartCluster starts a Redis Cluster of n masters that share the slots evenly.
// It takes two seconds: a node does not accept writes before.
func StartCluster(tb testing.TB, n int, args ...string) []*Server {
	tb.Helper()
	const slots = 16384
	nodes := make([]*Server, n)
	for i := range nodes {
		bus := strconv.Itoa(freePort(tb))
		nodes[i] = Start(tb, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1"}, args...)...)
		nodes[i].Do(tb, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		nodes[i].Do(tb, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			host, port, _ := net.SplitHostPort(nodes[i].Addr)
			nodes[0].Do(tb, "CLUSTER", "MEET", host, port, bus)
		}
	}
	for _, node := range nodes {
		Await(tb, "the cluster is up", func() bool {
			info := node.Do(tb, "CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", n))
		})
	}
	return nodes
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) start() error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	args := []string{
		"--port", port, "--bind", "127.0.0.1", "--unixsocket", s.Socket, "--dir", s.Dir, "--save", "", "--logfile", "redis.log",
	}
	s.cmd = exec.Command("redis-server", append(args, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("%w (these tests need the redis-server package)", err)
	}
	done := make(chan struct{})
	s.done = done
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if answer, err := s.try("PING"); err == nil && answers(answer) {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("redis-server ended: %s", s.lastLog())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redis-server does not answer: %s", s.lastLog())
		}
	}
}

// answers tells whether an answer to PING is one of a server that is up, if
// only to ask for a password.
func answers(answer string) bool {
	return strings.HasPrefix(answer, "PONG") || strings.HasPrefix(answer, "NOAUTH")
}

func (s *Server) lastLog() string {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
	return string(text[max(0, len(text)-500):])
}

// Kill ends the process at once, as a power failure would, and waits for its end.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Pause stops the process without ending it, until Resume.
func (s *Server) Pause(tb testing.TB) { s.signal(tb, syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume(tb testing.TB) { s.signal(tb, syscall.SIGCONT) }

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// Restart starts the server again after Kill, at the same address and with
// what it kept.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
}

// Do sends a command and returns the answer as text: arrays line by line, an
// error as its text.
func (s *Server) Do(tb testing.TB, args ...string) string {
	tb.Helper()
	answer, err := s.try(args...)
	if err != nil {
		tb.Fatalf("%s: %v", args[0], err)
	}
	return answer
}

func (s *Server) try(args ...string) (string, error) {
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write(Command(args...)); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(conn))
}

// Command returns a command as it is sent.
func Command(args ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return []byte(b.String())
}

// Await waits until a condition holds, and fails the test after 10 seconds.
func Await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			tb.Fatalf("gave up waiting: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
