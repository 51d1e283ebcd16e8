package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// UnreachableError is a server that could not be asked anything: there is none, it
// is none for SCIM, or it refuses the token.
type UnreachableError struct{ text string }

func (e *UnreachableError) Error() string { return e.text }

func unreachable(format string, args ...any) error {
	return &UnreachableError{fmt.Sprintf(format, args...)}
}

// server is what a server says of itself.
type server struct {
	own      bool // it is caddy-scim
	allow    string
	features map[string]bool // of the ServiceProviderConfig; nil where there is none
	// users and groups have the attributes of /Schemas in lower case, such as
	// name.givenname and urn:…:user:department; nil where there are none.
	users, groups map[string]bool
}

// examine asks for the simplest things, and turns what keeps the doctor from
// asking more into one sentence.
func (p *player) examine(ctx context.Context) (*server, error) {
	a, err := p.wire.get(ctx, "/Users", "startIndex=1&count=1")
	if ctx.Err() != nil {
		return nil, unreachable("Interrupted before anything was asked.")
	}
	if err == nil {
		err = p.acceptable(a)
	} else {
		err = p.explain(err)
	}
	if err != nil {
		return nil, err
	}
	s := &server{allow: p.options.Allow}
	if a, err := p.wire.get(ctx, "/ServiceProviderConfig", ""); err == nil && a.Status == http.StatusOK {
		s.config(a.Body)
	}
	if a, err := p.wire.get(ctx, "/Schemas", ""); err == nil && a.Status == http.StatusOK {
		s.schemas(a.Body)
	}
	if s.allow == "" {
		s.allow = "*"
		if s.own && s.users != nil && !s.keeps("Users", []string{"displayName"}) && !s.keeps("Users", []string{"title"}) {
			s.allow = "default"
		}
	}
	return s, nil
}

// explain says in a sentence why no answer came.
func (p *player) explain(err error) error {
	host, base := p.wire.base.Host, p.wire.base.String()
	var (
		dns         *net.DNSError
		authority   x509.UnknownAuthorityError
		name        x509.HostnameError
		certificate x509.CertificateInvalidError
		verify      *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		refused     *net.OpError
		outer       *url.Error
	)
	plain := err
	if errors.As(err, &outer) {
		plain = outer.Err
	}
	switch {
	case timedOut(err):
		return unreachable("%s does not answer within %s: the server hangs, or a firewall drops what is sent to it.", base, p.options.Timeout)
	case errors.As(err, &dns):
		return unreachable("There is no host %s: check the URL's spelling, and whether this machine can resolve the name.", dns.Name)
	case errors.As(err, &authority):
		return unreachable("The certificate of %s is not trusted (%v): identity providers will refuse it too; use one of a public authority, with its intermediates.", host, authority)
	case errors.As(err, &name):
		return unreachable("The certificate of %s is for another name (%v): identity providers will refuse it too.", host, name)
	case errors.As(err, &certificate):
		return unreachable("The certificate of %s is not valid (%v): identity providers will refuse it too.", host, certificate)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return unreachable("%s does not speak TLS: the URL begins with https, but the server answers in plain HTTP.", host)
	case errors.As(err, &verify), errors.As(err, &alert), strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "x509:"):
		return unreachable("No TLS connection to %s comes about (%v): identity providers will fail too.", host, plain)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return unreachable("%s does not speak HTTP: is it the port for https?", host)
	case errors.As(err, &refused) && refused.Op == "dial":
		return unreachable("No server can be reached at %s (%v): check host and port, and whether the server is running.", host, refused.Err)
	}
	return unreachable("%s does not answer (%v).", base, plain)
}

// acceptable says in a sentence why an answer to the simplest query is none.
func (p *player) acceptable(a *corpus.Answer) error {
	base := p.wire.base.String()
	html := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(strings.ToLower(string(a.Body[:min(len(a.Body), 100)]))), "<")
	var object map[string]json.RawMessage
	isObject := json.Unmarshal(a.Body, &object) == nil
	switch {
	case a.Status == http.StatusUnauthorized && p.options.Token == "":
		return unreachable("%s wants a token (401), and none was given: use --token-file or SCIM_TOKEN.", base)
	case a.Status == http.StatusUnauthorized:
		return unreachable("%s refuses the token (401): it is mistyped, expired or revoked, or belongs to another tenant or server.", base)
	case a.Status == http.StatusForbidden:
		return unreachable("%s refuses access (403): the token has no right to users, or a firewall or an address list keeps this machine out.", base)
	case a.Status >= 300 && a.Status < 400:
		return unreachable("%s redirects to %s (%d): give the URL of the SCIM service itself; clients do not follow to a login page.", base, p.secretless(place(a.Header.Get("Location"))), a.Status)
	case a.Status == http.StatusBadRequest && p.wire.base.Scheme == "http" && strings.Contains(string(a.Body), "HTTPS"):
		return unreachable("%s speaks TLS only: the URL has to begin with https.", p.wire.base.Host)
	case html:
		return unreachable("%s/Users answers with a web page (HTML, status %d), not with SCIM: check the path of the URL, which often ends in /scim/v2.", base, a.Status)
	case a.Status == http.StatusNotFound:
		return unreachable("There is no SCIM service at %s (404 for /Users): check the path of the URL, which often ends in /scim/v2.", base)
	case a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable:
		return unreachable("%s cannot serve now (%d): try again later.", base, a.Status)
	case a.Status >= 500:
		return unreachable("%s fails at the simplest query (%d for /Users): see the server's log.", base, a.Status)
	case !isObject:
		return unreachable("%s/Users answers with something that is not SCIM (status %d, %s): check the path of the URL.", base, a.Status, contentType(a))
	case a.Status == http.StatusOK && !slices.ContainsFunc([]string{"schemas", "Resources", "totalResults"}, func(k string) bool { _, ok := object[k]; return ok }):
		return unreachable("%s/Users answers with JSON that is not a SCIM list: check the path of the URL.", base)
	}
	return nil
}

// place is a redirect's target without its query, which may hold secrets.
func place(location string) string {
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return "nowhere"
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

func contentType(a *corpus.Answer) string {
	if t := a.Header.Get("Content-Type"); t != "" {
		return t
	}
	return "no content type"
}

// ownScheme is how caddy-scim describes its authentication.
const ownScheme = "The secret token, sent in the Authorization header as a bearer token."

// config reads a ServiceProviderConfig (RFC 7643 §5).
func (s *server) config(body []byte) {
	var c struct {
		Patch, Bulk, Filter, Sort, Etag struct{ Supported bool }
		Pagination                      struct{ Cursor bool }
		AuthenticationSchemes           []struct{ Description string }
	}
	if json.Unmarshal(body, &c) != nil {
		return
	}
	s.features = map[string]bool{
		"patch": c.Patch.Supported, "bulk": c.Bulk.Supported, "filter": c.Filter.Supported,
		"sort": c.Sort.Supported, "etag": c.Etag.Supported,
	}
	s.own = c.Pagination.Cursor && len(c.AuthenticationSchemes) == 1 && c.AuthenticationSchemes[0].Description == ownScheme
}

type attribute struct {
	Name          string
	SubAttributes []attribute
}

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// schemas reads the schemas (RFC 7643 §7).
func (s *server) schemas(body []byte) {
	var list struct {
		Resources []struct {
			ID         string
			Attributes []attribute
		}
	}
	if json.Unmarshal(body, &list) != nil {
		return
	}
	users, groups := map[string]bool{}, map[string]bool{}
	var core bool
	for _, sch := range list.Resources {
		switch {
		case strings.EqualFold(sch.ID, userURN):
			core = true
			gather(users, "", sch.Attributes)
		case strings.EqualFold(sch.ID, groupURN):
			gather(groups, "", sch.Attributes)
		default: // an extension, of whichever type
			urn := strings.ToLower(sch.ID)
			users[urn], groups[urn] = true, true
			gather(users, urn+":", sch.Attributes)
			gather(groups, urn+":", sch.Attributes)
		}
	}
	if core {
		s.users, s.groups = users, groups
	}
}

func gather(all map[string]bool, prefix string, list []attribute) {
	for _, a := range list {
		name := prefix + strings.ToLower(a.Name)
		all[name] = true
		gather(all, name+".", a.SubAttributes)
	}
}

// keeps reports whether the schemas have an attribute, given by the names from
// the resource down, of users or groups. Without schemas it has all.
func (s *server) keeps(endpoint string, attr []string) bool {
	all := s.users
	if strings.EqualFold(endpoint, "Groups") {
		all = s.groups
	}
	if all == nil || len(attr) == 0 || slices.Contains([]string{"id", "externalid", "meta", "schemas"}, strings.ToLower(attr[0])) {
		return true
	}
	key := ""
	for i, name := range attr {
		name = strings.ToLower(name)
		switch {
		case i == 0:
			key = name
		case strings.HasPrefix(attr[0], "urn:") && i == 1:
			key += ":" + name
		default:
			key += "." + name
		}
		if !all[key] {
			return false
		}
	}
	return true
}

// lacks returns what a file needs and the server does not have; empty for
// nothing.
func (s *server) lacks(f *corpus.File) string {
	for _, need := range f.Needs {
		kind, value, _ := strings.Cut(need, ":")
		switch {
		case need == "own":
			if !s.own {
				return "it is about rules of caddy-scim's own"
			}
		case kind == "allow":
			if s.allow != value {
				return "it is for the allow list " + value
			}
		case kind == "attribute":
			if !s.keeps("Users", attributePath(value)) {
				return "the server does not keep " + value
			}
		case s.features != nil && !s.features[need]:
			return "the ServiceProviderConfig says that " + need + " is not supported"
		}
	}
	return ""
}

// attributePath splits name.givenName and urn:…:User:department.
func attributePath(text string) []string {
	if i := strings.LastIndex(text, ":"); i >= 0 {
		return append([]string{text[:i]}, strings.Split(text[i+1:], ".")...)
	}
	return strings.Split(text, ".")
}
