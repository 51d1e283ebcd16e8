package directory

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// position is where the next page begins: behind an id of a kind, or after a
// number of results.
type position struct {
	Kind  store.Kind
	After string
	Skip  int
}

// String writes a position; parsePosition reads it.
func (p position) String() string { return fmt.Sprintf("%s %d %s", p.Kind, p.Skip, p.After) }

func parsePosition(s string) (p position, ok bool) {
	words := strings.SplitN(s, " ", 3)
	if len(words) != 3 {
		return p, false
	}
	n, err := strconv.Atoi(words[1])
	p = position{Kind: store.Kind(words[0]), After: words[2], Skip: n}
	return p, err == nil && n >= 0 && (p.After == "" || ValidID(p.After))
}

// A cursor is the position, the count and a digest that binds both to the tenant
// and the query (RFC 9865 §2, §5.2): elsewhere it is an invalid one. It reveals
// an id that the client has just seen, and gives no access that the token does
// not.
func (d *Directory) seal(q Query, count int, pos string) string {
	b := binary.AppendUvarint(nil, uint64(count))
	b = append(b, pos...)
	return base64.RawURLEncoding.EncodeToString(append(d.digest(q, b), b...))
}

const digestLen = 12

func (d *Directory) digest(q Query, payload []byte) []byte {
	h := sha256.New()
	f := ""
	if q.Filter != nil {
		f = q.Filter.String()
	}
	fmt.Fprintf(h, "cursor %q %q %q %q %t ", d.tenant, q.Kinds, f, q.SortBy, q.Descending)
	h.Write(payload)
	return h.Sum(nil)[:digestLen]
}

// open reads a cursor. Errors: 400 invalidCursor, and invalidCount where count
// is not that of the query that it came from.
func (d *Directory) open(q Query, count int, cursor string) (position, error) {
	if cursor == "" {
		return position{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) <= digestLen || subtle.ConstantTimeCompare(b[:digestLen], d.digest(q, b[digestLen:])) != 1 {
		return position{}, invalidCursor()
	}
	was, n := binary.Uvarint(b[digestLen:])
	if n <= 0 {
		return position{}, invalidCursor()
	}
	p, ok := parsePosition(string(b[digestLen+n:]))
	if !ok {
		return position{}, invalidCursor()
	}
	if int(was) != count {
		return position{}, scimerr.BadRequest(scimerr.InvalidCount, "The count has to stay the same from page to page: it was %d.", was)
	}
	return p, nil
}

func invalidCursor() error {
	return scimerr.BadRequest(scimerr.InvalidCursor, "The cursor is not one that this query was answered with. Start again with an empty cursor.")
}
