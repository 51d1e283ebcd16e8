package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object.
type object = map[string]any

// client sends requests as Entra ID does: no User-Agent, its media type, and
// filters with + for a space.
type client struct {
	base  string
	token string
	flag  bool // aadOptscim062020 is in the query of every request
	http  *http.Client
	tick  <-chan time.Time // nil for no pace
	sent  int
	tries int // of a request that is answered with 429 or 503
}

// answer is what came back.
type answer struct {
	status int
	body   object
}

// StatusError is an answer that Entra ID would not go on after.
type StatusError struct {
	Method, Path string // without what a filter asks for
	Status       int
	Detail       string // of the SCIM error, where there was one
}

// Error implements error.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s was answered with status %d", e.Method, e.Path, e.Status)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// do sends a request, and sends it again where the server asks for that; want are
// the statuses that are no error.
func (c *client) do(ctx context.Context, method, path, query string, body any, want ...int) (answer, error) {
	for try := 1; ; try++ {
		a, wait, err := c.once(ctx, method, path, query, body)
		if err != nil {
			return a, err
		}
		if slices.Contains(want, a.status) {
			return a, nil
		}
		if (a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable) || try >= c.tries {
			detail, _ := a.body["detail"].(string)
			return a, &StatusError{Method: method, Path: path, Status: a.status, Detail: detail}
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

func (c *client) once(ctx context.Context, method, path, query string, body any) (a answer, wait time.Duration, err error) {
	if c.tick != nil {
		select {
		case <-ctx.Done():
			return a, 0, ctx.Err()
		case <-c.tick:
		}
	}
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return a, 0, err
		}
		in = bytes.NewReader(b)
	}
	if c.flag {
		query = strings.TrimPrefix(query+"&aadOptscim062020", "&")
	}
	target := c.base + path
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, target, in)
	if err != nil {
		return a, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header["User-Agent"] = nil
	if body != nil {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	c.sent++
	res, err := c.http.Do(req)
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // without the URL, which may hold a name
	}
	if err != nil {
		return a, 0, fmt.Errorf("no answer to %s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	a.status = res.StatusCode
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return a, 0, fmt.Errorf("the answer to %s %s broke off: %w", method, path, err)
	}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil && a.status < 300 {
			return a, 0, fmt.Errorf("the answer to %s %s is no JSON object; is this the address of a SCIM endpoint?", method, path)
		}
	}
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return a, time.Duration(max(1, min(seconds, 60))) * time.Second, nil
}

// eq writes a filter as Entra ID puts it on the wire.
func eq(attribute, value string) string {
	return "filter=" + attribute + "+eq+" + url.QueryEscape(strconv.Quote(value))
}

// find returns the one resource that a filter matches; nil where there is none.
// Two are an error: Entra ID skips such a user as DuplicateTargetEntries.
func (c *client) find(ctx context.Context, path, query string) (object, error) {
	a, err := c.do(ctx, http.MethodGet, path, query, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	list, _ := a.body["Resources"].([]any)
	if len(list) > 1 {
		return nil, fmt.Errorf("GET %s: %d resources match a filter by name, which Entra ID calls DuplicateTargetEntries", path, len(list))
	}
	if len(list) == 0 {
		return nil, nil
	}
	o, _ := list[0].(map[string]any)
	return o, nil
}

// list calls f with every resource of an endpoint, by pages.
func (c *client) list(ctx context.Context, path, query string, f func(o object)) error {
	for start := 1; ; {
		a, err := c.do(ctx, http.MethodGet, path, strings.TrimPrefix(fmt.Sprintf("%s&startIndex=%d&count=100", query, start), "&"), nil, http.StatusOK)
		if err != nil {
			return err
		}
		list, _ := a.body["Resources"].([]any)
		for _, r := range list {
			if o, ok := r.(map[string]any); ok {
				f(o)
			}
		}
		total, _ := a.body["totalResults"].(float64)
		if start += len(list); len(list) == 0 || start > int(total) {
			return nil
		}
	}
}
