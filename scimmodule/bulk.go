package scimmodule

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// bulkOperation is one operation of a bulk request (RFC 7644 §3.7).
type bulkOperation struct {
	method, bulkID, path, version string
	data                          []byte
	kind                          store.Kind
	id                            string // of the path; may be a reference

	state   runState
	created string // id of what a POST created
	result  bulkResult
}

// runState is how far an operation has come.
type runState uint8

const (
	waiting runState = iota
	running
	done
)

// bulkResult is what became of an operation.
type bulkResult struct {
	status            int
	location, version string
	err               *scimerr.Error
}

// bulkRun is a bulk request under way.
type bulkRun struct {
	x        *exchange
	ops      []*bulkOperation
	byID     map[string]*bulkOperation // those that create, by bulkId
	failures int
	limit    int // failOnErrors; 0 for none
	// away is the error of an operation that found the store away: further ones
	// would each wait for it.
	away      *scimerr.Error
	succeeded bool
}

// bulk runs a bulk request: each operation is atomic, the whole is not. An
// operation whose data or path refers to another by "bulkId:" runs after it,
// whatever their order (RFC 7644 §3.7.2); those that refer to each other in a
// circle are refused with 409 (§3.7.1).
func (x *exchange) bulk() error {
	x.operation = "bulk"
	if err := x.mayWrite(); err != nil {
		return err
	}
	b, err := x.body()
	if err != nil {
		return err
	}
	run, err := x.parseBulk(b)
	if err != nil {
		return err
	}
	for _, op := range run.ops {
		if run.stopped() {
			break
		}
		run.do(x.r.Context(), op)
	}
	if run.away != nil && !run.succeeded {
		return run.away
	}
	x.changed = run.succeeded
	for _, op := range run.ops {
		if e := op.result.err; e != nil && x.failed == nil {
			x.failed = e
		}
	}
	x.send(http.StatusOK, run.response())
	return nil
}

// bulkGuide keeps the members of a bulk request that are defined, and leaves
// data undecoded until its resource type is known.
type bulkGuide struct{ operation bool }

func (g bulkGuide) Member(name string) (string, attr.Guide, attr.Action) {
	known := []string{"failOnErrors", "Operations"}
	if g.operation {
		known = []string{"method", "bulkId", "path", "version", "data"}
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			if k == "data" {
				return k, nil, attr.Defer
			}
			return k, bulkGuide{operation: true}, attr.Keep
		}
	}
	return "", nil, attr.Drop
}

func (x *exchange) parseBulk(b []byte) (*bulkRun, error) {
	l := x.limits.json()
	l.Elements, l.ElementsName = x.limits.BulkOperations, "bulk_operations"
	o, err := attr.DecodeObject(b, bulkGuide{}, l)
	if err != nil {
		return nil, err
	}
	run := &bulkRun{x: x, byID: map[string]*bulkOperation{}}
	if v, ok := o.Get("failOnErrors"); ok && !v.IsNull() {
		if run.limit, err = strconv.Atoi(v.Text()); err != nil || run.limit < 0 {
			return nil, scimerr.BadRequest(scimerr.InvalidValue, "The value of failOnErrors has to be a whole number, not negative.")
		}
	}
	list, _ := o.Get("Operations")
	if list.Kind() != attr.Array {
		return nil, scimerr.BadRequest(scimerr.InvalidSyntax, "A bulk request needs an array named Operations.")
	}
	for i, v := range list.List() {
		if v.Kind() != attr.Object {
			return nil, scimerr.BadRequest(scimerr.InvalidSyntax, "Operation %d of the bulk request is not an object.", i+1)
		}
		op := &bulkOperation{
			method:  strings.ToUpper(v.Object().Text("method")),
			bulkID:  v.Object().Text("bulkId"),
			path:    v.Object().Text("path"),
			version: v.Object().Text("version"),
		}
		if d, ok := v.Object().Get("data"); ok {
			op.data = []byte(d.Text())
		}
		if op.method == http.MethodPost && op.bulkID != "" {
			if run.byID[op.bulkID] != nil {
				return nil, scimerr.BadRequest(scimerr.InvalidValue, "Operation %d of the bulk request has the bulkId of an earlier one.", i+1)
			}
			run.byID[op.bulkID] = op
		}
		run.ops = append(run.ops, op)
	}
	return run, nil
}

func (b *bulkRun) stopped() bool { return b.limit > 0 && b.failures >= b.limit }

// do runs an operation once, after those that it refers to.
func (b *bulkRun) do(ctx context.Context, op *bulkOperation) {
	if op.state != waiting {
		return
	}
	op.state = running
	var err error = b.away
	if b.away == nil {
		err = b.perform(ctx, op)
	}
	op.state = done
	if err == nil {
		b.succeeded = true
		return
	}
	op.result.err = b.x.clientError(err)
	if errors.Is(op.result.err.Cause, store.ErrUnavailable) || errors.Is(op.result.err.Cause, store.ErrUncertain) {
		b.away = scimerr.Unavailable(op.result.err.RetryAfter, nil, "%s", op.result.err.Detail)
	}
	op.result.status = op.result.err.Status
	b.failures++
}

func (b *bulkRun) perform(ctx context.Context, op *bulkOperation) error {
	if err := op.target(); err != nil {
		return err
	}
	if op.method != http.MethodPost {
		op.result.location = b.x.base + b.x.dir.View(op.kind).Type.Endpoint + "/" + op.id
	}
	if err := b.resolve(ctx, op); err != nil {
		return err
	}
	if op.method != http.MethodPost {
		op.result.location = b.x.base + b.x.dir.View(op.kind).Type.Endpoint + "/" + op.id
	}
	var r store.Record
	var err error
	switch op.method {
	case http.MethodPost:
		r, err = b.x.doCreate(ctx, op.kind, op.data)
		op.result.status, op.created = http.StatusCreated, r.ID
	case http.MethodPut:
		r, err = b.x.doReplace(ctx, op.kind, op.id, op.version, op.data)
		op.result.status = http.StatusOK
	case http.MethodPatch:
		r, err = b.x.doPatch(ctx, op.kind, op.id, op.version, op.data)
		op.result.status = http.StatusOK
		if op.kind == store.Group {
			op.result.status = http.StatusNoContent
		}
	case http.MethodDelete:
		err = b.x.doDelete(ctx, op.kind, op.id, op.version)
		op.result.status = http.StatusNoContent
	}
	if err != nil {
		return err
	}
	if op.method != http.MethodDelete {
		op.result.location = directory.Location(b.x.dir, r, b.x.base)
		if r.Version != 0 {
			op.result.version = store.FormatVersion(r.Version)
		}
	}
	return nil
}

// target reads the method and path of an operation.
func (op *bulkOperation) target() error {
	path := segments(op.path)
	switch {
	case len(path) > 0 && strings.EqualFold(path[0], "Users"):
		op.kind = store.User
	case len(path) > 0 && strings.EqualFold(path[0], "Groups"):
		op.kind = store.Group
	default:
		return scimerr.BadRequest(scimerr.InvalidPath, "The path of a bulk operation has to begin with /Users or /Groups.")
	}
	switch op.method {
	case http.MethodPost:
		if len(path) != 1 {
			return scimerr.BadRequest(scimerr.InvalidPath, "A bulk operation with POST takes the path /Users or /Groups.")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		if len(path) != 2 {
			return scimerr.BadRequest(scimerr.InvalidPath, "A bulk operation with %s takes a path such as /Users/{id}.", op.method)
		}
		op.id = path[1]
	default:
		return scimerr.BadRequest(scimerr.InvalidSyntax, "The method of a bulk operation has to be POST, PUT, PATCH or DELETE.")
	}
	if op.method != http.MethodDelete && len(op.data) == 0 {
		return scimerr.BadRequest(scimerr.InvalidSyntax, "A bulk operation with %s needs data.", op.method)
	}
	return nil
}

// resolve puts the ids of what other operations created in the place of
// references to them, running those first that have not run.
func (b *bulkRun) resolve(ctx context.Context, op *bulkOperation) error {
	var failed error
	id := func(bulkID string) string {
		if failed != nil {
			return ""
		}
		other := b.byID[bulkID]
		switch {
		case other == nil:
			failed = scimerr.BadRequest(scimerr.InvalidValue, "The operation refers to a bulkId that no POST of this request has.")
			return ""
		case other.state == running:
			failed = circular()
			return ""
		case other.state == waiting && !b.stopped():
			b.do(ctx, other)
		}
		if other.created == "" || other.result.err != nil {
			failed = scimerr.BadRequest(scimerr.InvalidValue, "The operation refers to the bulkId of an operation that failed.")
			if e := other.result.err; e != nil && e.Status == http.StatusConflict && e.Type == scimerr.None {
				failed = circular()
			}
			return ""
		}
		return other.created
	}
	op.id = replaceReferences(op.id, id)
	if strings.Contains(string(op.data), "bulkId:") {
		op.data = attr.MapStrings(op.data, func(s string) string { return replaceReferences(s, id) })
	}
	return failed
}

func circular() error {
	return scimerr.New(http.StatusConflict, scimerr.None, "The operation and others refer to each other in a circle by bulkId. Create them without the references first, then add these.")
}

// replaceReferences replaces a string that is a reference, and references in
// quotes within one, as in the path of a PATCH: members[value eq "bulkId:x"].
func replaceReferences(s string, id func(bulkID string) string) string {
	const mark = "bulkId:"
	if name, ok := strings.CutPrefix(s, mark); ok {
		return id(name)
	}
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(s, `"`+mark)
		if !ok {
			out.WriteString(s)
			return out.String()
		}
		name, rest, ok := strings.Cut(after, `"`)
		if !ok {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(before + `"` + id(name) + `"`)
		s = rest
	}
}

// response writes the results of the operations that ran, in the order of the
// request (RFC 7644 §3.7.3).
func (b *bulkRun) response() []byte {
	out := []byte(`{"schemas":["` + bulkResponseURN + `"],"Operations":[`)
	first := true
	for _, op := range b.ops {
		if op.state != done {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		o := &attr.Members{}
		for _, m := range []struct{ name, text string }{
			{"location", op.result.location}, {"method", op.method}, {"bulkId", op.bulkID}, {"version", op.result.version}, {"status", itoa(op.result.status)},
		} {
			if m.text != "" {
				o.Set(m.name, attr.Of(m.text))
			}
		}
		if op.result.err != nil {
			o.Set("response", attr.OfRaw(string(appendError(nil, op.result.err))))
		}
		out = o.Append(out)
	}
	return append(out, "]}"...)
}
