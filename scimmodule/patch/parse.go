package patch

import (
	"errors"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// verb is what an operation does.
type verb uint8

const (
	add verb = iota
	remove
	replace
)

func (v verb) String() string { return [...]string{"add", "remove", "replace"}[v] }

// Operation is one parsed operation of a PATCH request. It is immutable, so that
// the same operations can be applied again after a conflict.
type Operation struct {
	verb  verb
	path  *filter.Path // nil where the operation has none
	value string       // JSON text; empty where the operation has none
}

// Parse reads the body of a PATCH request (RFC 7644 §3.5.2). Names and the words
// add, remove and replace are taken in any case, an empty list of operations is
// a request that changes nothing, and what the RFC does not define is ignored.
// Errors are *scimerr.Error: 400 invalidSyntax for a body of another form, 400
// invalidPath for a path that does not parse, 400 noTarget for a remove without
// a path, 400 invalidValue for an add or replace without a value, and 413 for
// more than maxOps operations.
func Parse(body []byte, l attr.Limits, maxOps int) ([]Operation, error) {
	l.Elements, l.ElementsName = maxOps, "patch_operations"
	o, err := attr.DecodeObject(body, envelope{}, l)
	if err != nil {
		return nil, err
	}
	list, ok := o.Get("Operations")
	if !ok || list.IsNull() {
		return nil, syntax("A PATCH request needs a list named Operations.")
	}
	if list.Kind() != attr.Array {
		return nil, syntax("The Operations of a PATCH request have to be a list.")
	}
	ops := make([]Operation, 0, len(list.List()))
	for i, e := range list.List() {
		op, err := parseOperation(e, i+1)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOperation(e attr.Value, n int) (Operation, error) {
	var op Operation
	if e.Kind() != attr.Object {
		return op, syntax("Operation %d of the PATCH request has to be an object.", n)
	}
	word, _ := e.Object().Get("op")
	switch {
	case word.Kind() != attr.String:
		return op, syntax("Operation %d of the PATCH request has no op; it has to be add, remove or replace.", n)
	case strings.EqualFold(word.Text(), "add"):
		op.verb = add
	case strings.EqualFold(word.Text(), "remove"):
		op.verb = remove
	case strings.EqualFold(word.Text(), "replace"):
		op.verb = replace
	default:
		return op, syntax("The op of operation %d of the PATCH request has to be add, remove or replace.", n)
	}
	path, _ := e.Object().Get("path")
	switch {
	case path.Kind() == attr.String && path.Text() != "":
		p, err := parsePath(path.Text(), n)
		if err != nil {
			return op, err
		}
		op.path = &p
	case path.Kind() != attr.String && !path.IsNull():
		return op, syntax("The path of operation %d of the PATCH request has to be a string.", n)
	}
	value, _ := e.Object().Get("value")
	op.value = value.Text()
	switch {
	case op.verb == remove && op.path == nil:
		return op, noTarget("Operation %d of the PATCH request removes something, but has no path that says what.", n)
	case op.verb != remove && op.value == "":
		return op, invalidValue("Operation %d of the PATCH request is %s and needs a value.", n, op.verb)
	}
	return op, nil
}

// parsePath keeps the parser's explanation only where it is one for clients.
func parsePath(text string, n int) (filter.Path, error) {
	p, err := filter.ParsePath(text)
	if err == nil {
		return p, nil
	}
	var e *scimerr.Error
	if errors.As(err, &e) && e.Type == scimerr.InvalidPath {
		return p, err
	}
	return p, invalidPath("The path of operation %d of the PATCH request is not a valid attribute path.", n)
}

// envelope guides the decoding of the request, operation that of one operation.
type (
	envelope  struct{}
	operation struct{}
)

func (envelope) Member(name string) (string, attr.Guide, attr.Action) {
	if strings.EqualFold(name, "Operations") {
		return "Operations", operation{}, attr.Keep
	}
	return "", nil, attr.Drop
}

func (operation) Member(name string) (string, attr.Guide, attr.Action) {
	switch {
	case strings.EqualFold(name, "op"):
		return "op", nil, attr.Keep
	case strings.EqualFold(name, "path"):
		return "path", nil, attr.Keep
	case strings.EqualFold(name, "value"):
		return "value", nil, attr.Defer
	}
	return "", nil, attr.Drop
}

func syntax(format string, args ...any) error {
	return scimerr.BadRequest(scimerr.InvalidSyntax, format, args...)
}

func invalidValue(format string, args ...any) error {
	return scimerr.BadRequest(scimerr.InvalidValue, format, args...)
}

func invalidPath(format string, args ...any) error {
	return scimerr.BadRequest(scimerr.InvalidPath, format, args...)
}

func noTarget(format string, args ...any) error {
	return scimerr.BadRequest(scimerr.NoTarget, format, args...)
}

func mutability(format string, args ...any) error {
	return scimerr.BadRequest(scimerr.Mutability, format, args...)
}
