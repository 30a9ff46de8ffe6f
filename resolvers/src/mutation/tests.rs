//! Sentences of sync-semantics, run over the reference store.
