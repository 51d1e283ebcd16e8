package scimmodule

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// body reads the request's body, of at most the configured length, after
// decompression too. Errors: 413, 415, and 400 invalidSyntax where it breaks off.
func (x *exchange) body() ([]byte, error) {
	if err := acceptable(x.r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	if x.r.ContentLength > x.limits.Body {
		return nil, x.tooLarge()
	}
	var from io.Reader = http.MaxBytesReader(x.w, x.r.Body, x.limits.Body)
	switch encoding := strings.TrimSpace(x.r.Header.Get("Content-Encoding")); {
	case encoding == "", strings.EqualFold(encoding, "identity"):
	case strings.EqualFold(encoding, "gzip"):
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, x.broken(err)
		}
		from = io.LimitReader(z, x.limits.Body+1)
	default:
		return nil, scimerr.New(http.StatusUnsupportedMediaType, scimerr.None, "The body's Content-Encoding is not supported: send it plain or with gzip.")
	}
	b, err := io.ReadAll(from)
	if err != nil {
		return nil, x.broken(err)
	}
	if int64(len(b)) > x.limits.Body {
		return nil, x.tooLarge()
	}
	return b, nil
}

func (x *exchange) broken(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return x.tooLarge()
	}
	return &scimerr.Error{Status: http.StatusBadRequest, Type: scimerr.InvalidSyntax, Detail: "The request's body broke off or could not be decompressed.", Cause: err}
}

func (x *exchange) tooLarge() error {
	return scimerr.New(http.StatusRequestEntityTooLarge, scimerr.None, "The request's body is larger than the %d bytes that are accepted. Send it in several requests.", x.limits.Body).At("body")
}

// acceptable tells whether a body of this media type is read: SCIM's, plain
// JSON, or one that is not named.
func acceptable(contentType string) error {
	if contentType == "" {
		return nil
	}
	t, _, _ := strings.Cut(contentType, ";")
	if t = strings.ToLower(strings.TrimSpace(t)); t == "application/scim+json" || t == "application/json" {
		return nil
	}
	return scimerr.New(http.StatusUnsupportedMediaType, scimerr.None, "The body has to be of type application/scim+json or application/json.")
}
