package filter

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Path is the path of a PATCH operation (RFC 7644 §3.5.2).
type Path struct {
	Attr   string // [URN:]attribute[.sub] or a schema's URN, as sent
	Filter Expr   // the value filter; nil without brackets
	Sub    string // the sub-attribute after the brackets, as sent; or empty
}

// ParsePath reads a path within the default Limits. Besides the grammar it
// accepts a schema's URN alone and a "." in place of the ":" after a URN. Errors
// are *scimerr.Error, 400 invalidPath.
func ParsePath(s string) (Path, error) { return Limits{}.ParsePath(s) }

// ParsePath is the function ParsePath with other limits.
func (l Limits) ParsePath(s string) (Path, error) {
	p, err := l.parser(s, "path", scimerr.InvalidPath)
	if err != nil {
		return Path{}, err
	}
	p.space()
	var path Path
	if path.Attr, err = p.name(); err != nil {
		return Path{}, err
	}
	end := "the end"
	if p.next('[') {
		if path.Filter, err = p.valueFilter(); err != nil {
			return Path{}, err
		}
		if p.next('.') {
			if path.Sub, err = p.subAttribute(); err != nil {
				return Path{}, err
			}
		} else {
			end = `"." with a sub-attribute, or the end`
		}
	}
	if p.space(); p.at < len(s) {
		return Path{}, p.expected(end)
	}
	return path, nil
}

// String prints the path in a form that ParsePath reads back as an equal path.
func (p Path) String() string {
	b := []byte(p.Attr)
	if p.Filter != nil {
		b = append(p.Filter.append(append(b, '[')), ']')
	}
	if p.Sub != "" {
		b = append(append(b, '.'), p.Sub...)
	}
	return string(b)
}

func (p *parser) name() (string, error) {
	w := p.word(p.at)
	if !isPath(w) {
		return "", p.expected("the name of an attribute")
	}
	p.at += len(w)
	return w, nil
}

func (p *parser) subAttribute() (string, error) {
	w := p.word(p.at)
	if !isName(w) {
		return "", p.expected("the name of a sub-attribute")
	}
	p.at += len(w)
	return w, nil
}

// isPath tells whether s is [URN:]attribute[.sub] or a URN. Where a URN ends only
// the schemas can tell, so after the last ":" more is let through.
func isPath(s string) bool {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		name, sub, dotted := strings.Cut(s, ".")
		return isName(name) && (!dotted || isName(sub))
	}
	tail := s[i+1:]
	if tail == "" || !isLetter(s[0]) || strings.HasPrefix(tail, ".") || strings.HasSuffix(tail, ".") || strings.Contains(tail, "..") {
		return false
	}
	for j := 0; j < len(s); j++ {
		c := s[j]
		if c <= ' ' || c == '\\' || c >= 0x7f {
			return false
		}
		if j > i && !isNameByte(c) && c != '.' && c != '/' {
			return false
		}
	}
	return true
}

// isName tells whether s is an ATTRNAME (RFC 7643 §2.1), with the "$" of "$ref".
func isName(s string) bool {
	if s == "" || !isLetter(s[0]) && s[0] != '$' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '$'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
