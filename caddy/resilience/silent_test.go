//go:build unix

package resilience

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// A Redis that is there but silent keeps readers waiting no longer than their
// timeout, however many they are.
func TestSilentRedis(t *testing.T) {
	t.Parallel()
	cfg, port := withPlainSite(t)
	s := e2e.StartServer(t, e2e.RedisName, cfg)
	user := "/Users/" + s.CreateUser(t, "ada")
	info, _ := s.Redis.Do(t, "INFO", "server").(string)
	_, rest, _ := strings.Cut(info, "process_id:")
	text, _, _ := strings.Cut(rest, "\r\n")
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("the process of redis-server: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 2 { // on connections that stood, and on new ones
		for i, a := range atOnce(32, func(i int) (*e2e.Response, error) {
			if i%2 == 0 {
				return s.Send("GET", find("ada"), nil)
			}
			return s.Send("GET", user, nil)
		}) {
			wantAway(t, fmt.Sprint("read ", i), a, silentLimit)
		}
		wantPlain(t, port)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	e2e.Eventually(t, 10*time.Second, "SCIM is back", func() bool {
		a, err := s.Send("GET", user, nil)
		return err == nil && a.Status == 200
	})
}
