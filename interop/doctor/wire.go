package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

const (
	userAgent = "caddy-scim-doctor"
	scimJSON  = "application/scim+json"
	// answerBytes bounds what is read of an answer.
	answerBytes = 16 << 20
	// longestPause bounds how long a server's Retry-After is obeyed.
	longestPause = 30 * time.Second
	retries      = 3
)

// wire sends requests at a bounded rate.
type wire struct {
	base    *url.URL
	token   string
	timeout time.Duration
	client  *http.Client
	every   time.Duration // between two requests

	mu   sync.Mutex
	next time.Time // when the next request may be sent
	sent int
}

func newWire(o Options) *wire {
	u, _ := url.Parse(o.BaseURL) // checked by complete
	transport := o.HTTP
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone() // it is one
		t.DisableCompression = true
		t.MaxIdleConnsPerHost = 16
		transport = t
	}
	return &wire{
		base: u, token: o.Token, timeout: o.Timeout, every: time.Duration(float64(time.Second) / o.Rate),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func (w *wire) close() { w.client.CloseIdleConnections() }

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// turn waits until n requests may be sent at once.
func (w *wire) turn(ctx context.Context, n int) error {
	w.mu.Lock()
	now := time.Now()
	at := w.next
	if at.Before(now) {
		at = now
	}
	w.next = at.Add(time.Duration(n) * w.every)
	w.sent += n
	w.mu.Unlock()
	return pause(ctx, at.Sub(now))
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// request makes an HTTP request with path and query as they stand.
func (w *wire) request(ctx context.Context, r *corpus.Request) (*http.Request, error) {
	u := *w.base
	raw := w.base.EscapedPath() + r.Path
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, fmt.Errorf("the path %s cannot be sent: %w", raw, err)
	}
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, raw, r.Query, r.Mark && r.Query == ""
	var body io.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://x", body)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = &u, ""
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	if r.Body != "" {
		req.Header.Set("Content-Type", scimJSON)
	}
	req.Header.Set("User-Agent", userAgent)
	for _, f := range r.Header {
		name := http.CanonicalHeaderKey(f.Name)
		if req.Header.Del(name); f.Value != "" {
			req.Header.Set(name, f.Value)
		} else if name == "User-Agent" {
			req.Header[name] = nil // or one would be filled in
		}
	}
	return req, nil
}

// send sends one request whose turn it is. What is under way is not broken off
// when ctx ends: what the request makes has to be known.
func (w *wire) send(ctx context.Context, r *corpus.Request) (*corpus.Answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.timeout)
	defer cancel()
	req, err := w.request(ctx, r)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	res, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return nil, err
	}
	return &corpus.Answer{Status: res.StatusCode, Header: res.Header, Body: body, Took: time.Since(begun)}, nil
}

// do is send for a request that waits its turn, and comes again where the server
// asks for that with a status that is not expected.
func (w *wire) do(ctx context.Context, r *corpus.Request, expected ...int) (*corpus.Answer, error) {
	if err := w.turn(ctx, 1); err != nil {
		return nil, err
	}
	a, err := w.send(ctx, r)
	return w.again(ctx, r, a, err, expected)
}

// again repeats a request while the server asks to come later.
func (w *wire) again(ctx context.Context, r *corpus.Request, a *corpus.Answer, err error, expected []int) (*corpus.Answer, error) {
	for range retries {
		if err != nil || slices.Contains(expected, a.Status) {
			return a, err
		}
		seconds, bad := strconv.Atoi(a.Header.Get("Retry-After"))
		switch {
		case a.Status == http.StatusTooManyRequests && bad != nil:
			seconds = 1
		case a.Status != http.StatusTooManyRequests && (a.Status != http.StatusServiceUnavailable || bad != nil):
			return a, nil
		}
		if pause(ctx, min(time.Duration(max(seconds, 0))*time.Second, longestPause)) != nil || w.turn(ctx, 1) != nil {
			return a, nil
		}
		a, err = w.send(ctx, r)
	}
	return a, err
}

// get asks for something of the doctor's own.
func (w *wire) get(ctx context.Context, path, query string) (*corpus.Answer, error) {
	return w.do(ctx, &corpus.Request{
		Method: http.MethodGet, Path: path, Query: query, Mark: query != "",
		Header: []corpus.Field{{Name: "Accept", Value: scimJSON}},
	})
}

// timedOut reports whether an error is the absence of an answer in time.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
