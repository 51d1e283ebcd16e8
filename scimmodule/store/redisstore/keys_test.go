package redisstore_test

import (
	"bufio"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

// TestDeclaredKeys runs the conformance suite on a Redis Cluster of one node,
// as the user whose access docs/redis-layout.md describes, while every command
// of a script is compared with the keys that the script was given. A key that
// is not declared would leave half a commit behind while its slot migrates.
func TestDeclaredKeys(t *testing.T) {
	server := withUsers(t, redistest.StartCluster(t, 1)[0])
	w := watch(t, server)
	storetest.Run(t, storetest.Config{
		Open: func(tb testing.TB, limit store.LogLimit) store.Store {
			server.Do(tb, "FLUSHALL")
			return open(tb, redisstore.Options{
				Addresses: []string{server.Addr}, Cluster: true, Log: limit, Username: "caddy-scim", Password: "secret1",
				ReadTimeout: patience, WriteTimeout: patience,
			})
		},
	})
	w.stop(t, server)
	if w.scripts < 1000 || w.commands < 5*w.scripts {
		t.Errorf("saw %d scripts with %d commands: too few to have watched the suite", w.scripts, w.commands)
	}
	denied(t, server)
}

// watcher follows MONITOR, whose lines begin with a time and [db client],
// where the client is lua for what a script calls.
type watcher struct {
	conn              net.Conn
	wg                sync.WaitGroup
	scripts, commands int
	undeclared        map[string]bool
}

func watch(tb testing.TB, server *redistest.Server) *watcher {
	tb.Helper()
	conn, err := net.Dial("unix", server.Socket)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Write(redistest.Command("MONITOR")); err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewReaderSize(conn, 1<<20)
	if ok, err := lines.ReadString('\n'); err != nil || ok != "+OK\r\n" {
		tb.Fatalf("MONITOR: %q, %v", ok, err)
	}
	w := &watcher{conn: conn, undeclared: map[string]bool{}}
	w.wg.Go(func() { w.follow(lines) })
	return w
}

func (w *watcher) stop(tb testing.TB, server *redistest.Server) {
	server.Do(tb, "PING", "the end")
	w.wg.Wait()
	w.conn.Close()
	for k := range w.undeclared {
		tb.Errorf("a script used a key that it was not given: %s", k)
	}
}

func (w *watcher) follow(lines *bufio.Reader) {
	var declared map[string]bool
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			w.undeclared["(the connection to MONITOR broke)"] = true
			return
		}
		_, rest, _ := strings.Cut(line, " [")
		client, rest, _ := strings.Cut(rest, "] ")
		args := monitored(strings.TrimRight(rest, "\r\n"))
		switch {
		case len(args) == 2 && args[1] == "the end":
			return
		case strings.HasSuffix(client, " lua"):
			w.commands++
			for _, k := range keysOf(args) {
				if !declared[k] {
					w.undeclared[args[0]+" "+k] = true
				}
			}
		case strings.EqualFold(args[0], "evalsha"), strings.EqualFold(args[0], "eval"):
			w.scripts++
			declared = map[string]bool{}
			n, _ := strconv.Atoi(args[2])
			for _, k := range args[3 : 3+n] {
				declared[k] = true
			}
		}
	}
}

// monitored takes apart arguments in double quotes, with blanks in between.
func monitored(text string) []string {
	var out []string
	for text != "" {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return append(out, "cannot read: "+text)
		}
		arg, err := strconv.Unquote(quoted)
		if err != nil {
			return append(out, "cannot read: "+text)
		}
		out = append(out, arg)
		text = strings.TrimPrefix(text[len(quoted):], " ")
	}
	return out
}

// keysOf returns the keys of a command.
func keysOf(args []string) []string {
	switch strings.ToLower(args[0]) {
	case "exists", "mget", "del":
		return args[1:]
	case "mset":
		var out []string
		for i := 1; i < len(args); i += 2 {
			out = append(out, args[i])
		}
		return out
	default:
		return args[1:2]
	}
}
