package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// refusal is an answer of the admin API with a status from 400.
type refusal struct {
	status int
	body   []byte
	text   string // a sentence
}

func (e *refusal) Error() string { return e.text }

// unreachable is the absence of an answer.
type unreachable struct{ text string }

func (e *unreachable) Error() string { return e.text }

// call asks the admin API, and decodes the answer to out where it is not nil. The
// result is the answer as it came. Without in, the request is a GET.
func (s *session) call(path string, in, out any) (json.RawMessage, error) {
	body, err := s.stream(path, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	answer, err := io.ReadAll(body)
	if s.ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, &unreachable{fmt.Sprintf("the server's answer broke off: %v", err)}
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return nil, fmt.Errorf("the admin API gave an answer that is not understood: %w", err)
		}
	}
	return answer, nil
}

// stream is call for an answer that is read while it comes.
func (s *session) stream(path string, in any) (io.ReadCloser, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(s.text("address"), nil, s.text("config"), s.text("adapter"))
	if err != nil {
		return nil, fmt.Errorf("the admin address could not be determined: %w", err)
	}
	method, body := http.MethodGet, io.Reader(nil)
	if in != nil {
		b, err := marshal(in)
		if err != nil {
			return nil, err
		}
		method, body = http.MethodPost, bytes.NewReader(b)
	}
	// Caddy's function makes a client for each request: nobody would use the
	// connection again.
	header := http.Header{"Connection": {"close"}}
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := caddycmd.AdminAPIRequest(address, method, path, header, body) //nolint:bodyclose // the caller closes it
		done <- result{resp, err}
	}()
	select {
	case <-s.ctx.Done():
		go func() { // nobody waits for the answer
			if r := <-done; r.err == nil {
				r.resp.Body.Close()
			}
		}()
		return nil, errInterrupted
	case r := <-done:
		if r.err != nil {
			return nil, explain(r.err, address)
		}
		context.AfterFunc(s.ctx, func() { r.resp.Body.Close() })
		return r.resp.Body, nil
	}
}

// marshal is json.Marshal without the escapes that are for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// explain turns an error of caddycmd.AdminAPIRequest, which holds the API's
// answer as text, into a sentence.
func explain(err error, address string) error {
	text := err.Error()
	if strings.HasPrefix(text, "invalid admin address") {
		return wrongUse("%s", text)
	}
	answer, ok := strings.CutPrefix(text, "caddy responded with error: HTTP ")
	if !ok {
		return &unreachable{fmt.Sprintf("no server answers at %s: start it with \"caddy-scim run\", or say with --address or --config where its admin API is (%s)",
			address, strings.TrimPrefix(text, "performing request: "))}
	}
	code, body, _ := strings.Cut(answer, ": ")
	status, _ := strconv.Atoi(code)
	r := &refusal{status: status, body: []byte(body)}
	var api admin.ErrorAnswer
	switch {
	case json.Unmarshal(r.body, &api) == nil && api.Error != "":
		r.text = api.Error
	case status == http.StatusNotFound:
		r.text = fmt.Sprintf("the server at %s has no such command of scim: run it with the same version of caddy-scim", address)
	default:
		r.text = fmt.Sprintf("the admin API at %s answered with status %s: %.200s", address, code, strings.TrimSpace(body))
	}
	return r
}

// pages calls a list of the admin API until its end: page asks for what is behind
// after and returns where the next page begins.
func pages(page func(after string) (next string, err error)) error {
	after := ""
	for {
		next, err := page(after)
		if err != nil || next == "" {
			return err
		}
		if next == after {
			return fmt.Errorf("the admin API repeats a page of its list")
		}
		after = next
	}
}

// pageSize is the most that the admin API gives at once.
const pageSize = 1000
