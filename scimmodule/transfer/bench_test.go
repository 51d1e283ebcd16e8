package transfer

import (
	"fmt"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// BenchmarkImport measures an import into bbolt; an operation is one user.
func BenchmarkImport(b *testing.B) {
	from := newMem(b)
	newWorld(b, from, 1).tenant("acme", size{users: 10_000})
	lines := linesOf(b, export(b, from, "acme"))
	users := lines[2 : len(lines)-2]
	var im *Importer
	id := exportID(b, lines)
	var to store.Store
	begin := func() {
		to = newBolt(b)
		im = NewImporter(to, testKeys)
		if _, err := im.Begin(b.Context(), lines[0]); err != nil {
			b.Fatal(err)
		}
		if _, err := im.Chunk(b.Context(), id, 1, lines[1:2]); err != nil {
			b.Fatal(err)
		}
	}
	begin()
	b.ResetTimer()
	for at, n := 0, b.N; n > 0; {
		if at == len(users) {
			b.StopTimer()
			at = 0
			begin()
			b.StartTimer()
		}
		k := min(n, ChunkLines, len(users)-at)
		if _, err := im.Chunk(b.Context(), id, 2+at, users[at:at+k]); err != nil {
			b.Fatal(err)
		}
		at, n = at+k, n-k
	}
}

func BenchmarkExport(b *testing.B) {
	s := newBolt(b)
	newWorld(b, s, 1).tenant("acme", size{users: 500, groups: 5, members: 400})
	for b.Loop() {
		export(b, s, "acme")
	}
}

func BenchmarkDecodeLine(b *testing.B) {
	data := fmt.Appendf(nil, `{"kind":"user","id":"u1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","allow":"list","version":1,"body":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"u1","userName":"u1@example.com","externalId":"u1","active":true,"name":{"givenName":"Given","familyName":"Family"},"emails":[{"value":"u1@example.com","type":"work","primary":true}]}}`)
	for b.Loop() {
		if _, problem := decodeLine(data); problem != "" {
			b.Fatal(problem)
		}
	}
}
