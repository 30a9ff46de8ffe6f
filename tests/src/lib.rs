//! Black-box and contract tests of the whole workspace; everything is in the test binary `it`.
