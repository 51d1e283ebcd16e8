// Package storetest holds what every implementation of store.Store must pass:
// the conformance suite, a model-based random test, an invariant checker and
// benchmarks. It must not know any implementation but memstore, the model.
package storetest
