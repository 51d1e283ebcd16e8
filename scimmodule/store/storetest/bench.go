package storetest

import (
	"fmt"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// RunBenchmarks measures what a directory does most.
func RunBenchmarks(b *testing.B, c Config) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			e := newEnv(b, c, store.LogLimit{})
			for from := 0; from < benchUsers; from += 1000 {
				batch := &store.Batch{}
				for i := from; i < from+1000; i++ {
					batch.Put = append(batch.Put, store.Put{Record: benchUser(i)})
					batch.Claim = append(batch.Claim, claim(userName(benchID(i)), benchID(i)))
				}
				e.commit(batch)
			}
			b.ReportAllocs()
			bench.run(b, e)
		})
	}
}

var benchmarks = []struct {
	name string
	run  func(b *testing.B, e *env)
}{
	{"Get", func(b *testing.B, e *env) {
		for i := 0; b.Loop(); i++ {
			e.get(store.User, benchID(i%benchUsers))
		}
	}},
	{"Lookup", func(b *testing.B, e *env) {
		for i := 0; b.Loop(); i++ {
			e.holder(store.User, userName(benchID(i%benchUsers)))
		}
	}},
	{"CommitPut", func(b *testing.B, e *env) {
		for i := 0; b.Loop(); i++ {
			r := benchUser(i % benchUsers)
			e.commit(&store.Batch{
				Put:    []store.Put{{Record: r, Expect: store.Any}},
				Events: []store.Event{{Type: store.UserUpdated, Kind: store.User, ID: r.ID, Changed: []string{"name.givenName"}}},
			})
		}
	}},
	{"MemberAdd/group=10", func(b *testing.B, e *env) { benchMembers(b, e, 10) }},
	{"MemberAdd/group=10000", func(b *testing.B, e *env) { benchMembers(b, e, 10_000) }},
}

const benchUsers = 11_000

func benchID(i int) string { return fmt.Sprintf("user-%06d", i) }

// benchUser is of the size of a usual user.
func benchUser(i int) store.Record {
	r := user(benchID(i))
	r.Body = fmt.Appendf(nil, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"%[1]s","userName":"%[1]s@example.com",`+
		`"externalId":"%[1]s","active":true,"name":{"givenName":"Given","familyName":"Family"},`+
		`"emails":[{"value":"%[1]s@example.com","type":"work","primary":true}],"preferredLanguage":"en-US","locale":"en-US"}`, r.ID)
	return r
}

// benchMembers adds one member to a group of n, and takes it out again with
// the clock stopped.
func benchMembers(b *testing.B, e *env, n int) {
	var members []store.Member
	for i := range n {
		members = append(members, userMember(benchID(i)))
	}
	e.create(group("g1"))
	e.link("g1", members...)
	added := benchID(benchUsers - 1)
	for b.Loop() {
		e.link("g1", userMember(added))
		b.StopTimer()
		e.commit(&store.Batch{Members: []store.MemberChange{{Group: "g1", Remove: []string{added}}}})
		b.StartTimer()
	}
}
