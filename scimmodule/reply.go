package scimmodule

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// contentType is the media type of every answer (RFC 7644 §8.1).
const contentType = "application/scim+json"

// The URNs of messages (RFC 7644 §8.2).
const (
	errorURN        = "urn:ietf:params:scim:api:messages:2.0:Error"
	listResponseURN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	bulkResponseURN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

func itoa(n int) string { return strconv.Itoa(n) }

// begin sends the status and headers of an answer with a body.
func (x *exchange) begin(status int) {
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	x.status = status
	x.w.WriteHeader(status)
}

// send sends a whole answer; a nil body is none.
func (x *exchange) send(status int, body []byte) {
	if body == nil {
		x.w.Header().Set("Cache-Control", "no-store")
		x.status = status
		x.w.WriteHeader(status)
		return
	}
	x.w.Header().Set("Content-Length", itoa(len(body)))
	x.begin(status)
	// A client that is gone cannot be told.
	_, _ = x.w.Write(body)
}

// appendError appends an Error message (RFC 7644 §3.12).
func appendError(b []byte, e *scimerr.Error) []byte {
	b = append(b, `{"schemas":["`+errorURN+`"],`...)
	if e.Type != scimerr.None {
		b = append(b, `"scimType":"`+string(e.Type)+`",`...)
	}
	if e.Detail != "" {
		b = append(b, `"detail":`...)
		b = attr.AppendString(b, e.Detail)
		b = append(b, ',')
	}
	return append(b, `"status":"`+itoa(e.Status)+`"}`...)
}

// stream collects an answer of any length and passes it on in pieces.
type stream struct {
	x      *exchange
	status int
	buf    []byte
}

const streamPiece = 32 << 10

// flush sends what is collected once it is a piece; the first time with the
// status and headers, so that an error before still has an answer of its own.
func (s *stream) flush() error {
	if len(s.buf) < streamPiece {
		return nil
	}
	return s.write()
}

func (s *stream) write() error {
	if s.x.status == 0 {
		s.x.begin(s.status)
	}
	_, err := s.x.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return errGone
	}
	return nil
}

// errGone says that the client does not read its answer any more.
var errGone = errors.New("the client is gone")

// end sends the rest.
func (s *stream) end() {
	if s.x.status == 0 {
		s.x.send(s.status, s.buf)
		return
	}
	_ = s.write() // a client that is gone cannot be told
}

// allow answers a method that a path does not have (RFC 9110 §15.5.6).
func (x *exchange) allow(methods string) error {
	x.w.Header().Set("Allow", methods)
	return scimerr.New(http.StatusMethodNotAllowed, scimerr.None, "This address does not take the method; it takes %s.", methods)
}
