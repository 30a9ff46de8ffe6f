//! What commands say: answers to stdout, problems to stderr.

use std::io::Write;

/// Writes a text and a line end to stdout. Nobody listening any more is no error.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Writes a problem to stderr.
pub(super) fn complain(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
    }
}
