package caddy

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Secret is a string of the configuration that is never shown: a placeholder
// such as {env.NAME} or {file./path}, resolved when the configuration is
// loaded, or the secret itself.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "REDACTED"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// placeholder is a string that is nothing but a placeholder. Only such a one may
// be named in an error: braces elsewhere may be part of a secret.
var placeholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// reveal returns the secret in clear. Option says what it is for, in errors.
func (s Secret) reveal(option string) (string, error) {
	v, err := caddy.NewReplacer().ReplaceOrErr(string(s), true, true)
	if err == nil && v != "" {
		return v, nil
	}
	if placeholder.MatchString(string(s)) {
		return "", fmt.Errorf("%s: %s is empty or missing", option, string(s))
	}
	return "", fmt.Errorf("%s is empty, or a placeholder in it is", option)
}

// inClear tells whether the configuration holds the secret itself.
func (s Secret) inClear() bool { return !strings.Contains(string(s), "{") }

// replace resolves the placeholders of an option that is no secret.
func replace(option, value string) (string, error) {
	v, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", option, err)
	}
	return v, nil
}
