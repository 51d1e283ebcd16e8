package storetest

import (
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Config says how to make the store under test.
type Config struct {
	// Open returns an empty store that is not shared. The suite closes it.
	Open func(tb testing.TB, limit store.LogLimit) store.Store
	// Reopen closes the store and opens its data again, with the same limit.
	// It is nil for a store whose data end with it.
	Reopen func(tb testing.TB, s store.Store) store.Store
}

// Run runs the conformance suite. Subtests do not run in parallel.
func Run(t *testing.T, c Config) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.run(newEnv(t, c, test.limit))
		})
	}
	t.Run("random batches agree with the model", func(t *testing.T) { testModel(t, c) })
	if c.Reopen != nil {
		t.Run("data survive closing", func(t *testing.T) { testReopen(newEnv(t, c, store.LogLimit{}), c) })
	}
}

var tests = []struct {
	name  string
	limit store.LogLimit
	run   func(e *env)
}{
	{"an empty tenant", store.LogLimit{}, testEmpty},
	{"create, read, replace, delete", store.LogLimit{}, testRecords},
	{"expected versions", store.LogLimit{}, testExpect},
	{"required versions", store.LogLimit{}, testRequire},
	{"versions grow and are never used again", store.LogLimit{}, testVersions},
	{"created and modified", store.LogLimit{}, testTimes},
	{"envelope round trip", store.LogLimit{}, testEnvelope},
	{"body round trip", store.LogLimit{}, testBodies},
	{"memory is not shared with the caller", store.LogLimit{}, testCopies},
	{"get many in order", store.LogLimit{}, testGetMany},
	{"all kinds and all characters of ids", store.LogLimit{}, testIDs},

	{"unique claims", store.LogLimit{}, testClaims},
	{"claims move within a batch", store.LogLimit{}, testClaimMoves},
	{"index entries", store.LogLimit{}, testIndex},
	{"index values of any bytes", store.LogLimit{}, testBinaryKeys},
	{"scan by offset and after", store.LogLimit{}, testScan},
	{"scan ids only", store.LogLimit{}, testIDsOnly},
	{"scan while records are added", store.LogLimit{}, testScanInserts},

	{"edges in both directions", store.LogLimit{}, testEdges},
	{"edge pages", store.LogLimit{}, testEdgePages},
	{"edges restricted to ids", store.LogLimit{}, testEdgesOnly},
	{"member changes that change nothing", store.LogLimit{}, testMemberNoOps},
	{"member changes bump the group", store.LogLimit{}, testMemberVersions},
	{"missing groups and members", store.LogLimit{}, testMissing},
	{"pending members", store.LogLimit{}, testPending},
	{"delete with edges", store.LogLimit{}, testDeleteEdges},
	{"a failed precondition changes nothing", store.LogLimit{}, testAtomic},

	{"change log order and records", store.LogLimit{}, testLog},
	{"change log pages", store.LogLimit{}, testLogPages},
	{"member changes in the log", store.LogLimit{}, testLogMembers},
	{"large member changes in the log", store.LogLimit{}, testLogChunks},
	{"redacting the log", store.LogLimit{}, testRedact},
	{"trimming the log by entries", store.LogLimit{Entries: 200}, testTrimEntries},
	{"trimming the log by age", store.LogLimit{Entries: 10_000, MaxAge: 3600}, testTrimAge},

	{"tenants are apart", store.LogLimit{}, testTenants},
	{"large values", store.LogLimit{}, testLarge},
	{"a group of 20,000", store.LogLimit{}, testManyMembers},
	{"5,000 users created and linked in one batch", store.LogLimit{}, testManyRecords},
	{"dropping a tenant", store.LogLimit{Entries: 100}, testDrop},
	{"dropping a large tenant in parts", store.LogLimit{}, testDropMany},
	{"a context that has ended", store.LogLimit{}, testContext},
	{"ready", store.LogLimit{}, testReady},

	{"one of many claims wins", store.LogLimit{}, testRaceClaim},
	{"parallel member changes lose none", store.LogLimit{}, testRaceMembers},
	{"parallel read-modify-write loses none", store.LogLimit{}, testRaceUpdates},
	{"a delete and a member add do not both win", store.LogLimit{}, testRaceDelete},
	{"dropping a tenant that is written to", store.LogLimit{}, testRaceDrop},
}
