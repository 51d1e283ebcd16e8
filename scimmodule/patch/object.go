package patch

import (
	"errors"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// object applies a set of attributes: the value of an operation without a path,
// or the object of a whole schema, whose URN is then given. Each key is a path
// of its own, because clients send "name.givenName", URNs and value filters
// there. Attributes that are not named stay as they are.
func (p *patcher) object(urn, raw string, do verb) error {
	keys := &keyGuide{p: p, urn: urn}
	val, err := attr.Decode([]byte(raw), keys, p.l)
	switch {
	case keys.err != nil:
		return keys.err
	case err != nil:
		return err
	case val.Kind() != attr.Object && urn != "":
		return invalidValue("The value of %s has to be an object.", urn)
	case val.Kind() != attr.Object:
		return invalidValue("The value of an operation without a path has to be an object of attributes.")
	}
	i := 0
	for _, v := range val.Object().All() {
		t := keys.targets[i]
		i++
		if v.Text() == "null" && (p.isMembers(t.Ref) || t.whole()) {
			continue // as good as absent, and absence never empties a group
		}
		if err := p.apply(t, do, v.Text()); err != nil {
			return err
		}
	}
	return nil
}

// keyGuide resolves the keys of an object while it is read, and leaves their
// values undecoded until the guide of each is known. Targets are in the order of
// the members that are kept.
type keyGuide struct {
	p       *patcher
	urn     string
	targets []target
	err     error
}

func (g *keyGuide) Member(key string) (string, attr.Guide, attr.Action) {
	if g.err != nil {
		return "", nil, attr.Drop
	}
	t, ok := g.target(key)
	if !ok {
		return "", nil, attr.Drop
	}
	g.p.keys++
	if g.p.keys > maxKeys {
		g.err = scimerr.New(413, scimerr.None, "The operations without a path name more than the %d attributes that are accepted in one request; send them in several.", maxKeys).At("names")
		return "", nil, attr.Drop
	}
	g.targets = append(g.targets, t)
	return key, nil, attr.Defer
}

func (g *keyGuide) target(key string) (target, bool) {
	full := key
	if g.urn != "" {
		full = g.urn + ":" + key
	}
	path, err := filter.ParsePath(full)
	if err != nil {
		// A key with a filter is meant as a path; any other is some name that
		// nobody knows.
		if strings.ContainsRune(key, '[') {
			e := scimerr.BadRequest(scimerr.InvalidPath, "The key of a value without a path is not a valid attribute path.")
			var why *scimerr.Error
			if errors.As(err, &why) {
				e.Limit = why.Limit
			}
			g.err = e
		} else {
			g.p.v.Drop(g.p.t, full)
		}
		return target{}, false
	}
	t, ok, err := g.p.resolve(path, false)
	if err != nil {
		g.err = err
	}
	return t, ok
}
