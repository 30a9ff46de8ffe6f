//! What a process did to its files and when, call by call, as `strace` saw it; and what of that a disk may hold after the
//! power failed: everything that was flushed, and of the rest any part.

use std::collections::BTreeMap;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// So many bytes reach a disk whole or not at all.
const SECTOR: usize = 512;

/// One call that matters.
#[derive(Debug)]
pub(crate) enum Call {
    /// Bytes at an offset of a file.
    Write(String, usize, Vec<u8>),
    /// A new length of a file.
    Truncate(String, usize),
    /// The end of a call that flushed a file.
    Flushed(String),
    /// Bytes to something that is no file.
    Said(Vec<u8>),
}

/// The calls in a log of `strace -f -y -xx`, in order. Files are named by their last part.
pub(crate) fn read(log: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(log).expect("the log");
    let mut flushing = BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((process, line)) = line.split_once(' ') else {
            continue;
        };
        let line = line.trim_start();
        if line.starts_with("<... f") && line.contains("sync resumed>") {
            if line.ends_with("= 0")
                && let Some(file) = flushing.remove(process)
            {
                calls.push(Call::Flushed(file));
            }
            continue;
        }
        let Some((name, arguments)) = line.split_once('(') else {
            continue;
        };
        let Some(file) = file(arguments) else {
            continue;
        };
        match name {
            "pwrite64" => {
                let offset = number(after_text(arguments));
                calls.push(Call::Write(file, offset, bytes(arguments)));
            }
            "ftruncate" => {
                let length = arguments.split(", ").nth(1).expect("a length");
                calls.push(Call::Truncate(file, number(length)));
            }
            "fsync" | "fdatasync" if line.contains("<unfinished") => {
                flushing.insert(process.to_owned(), file);
            }
            "fsync" | "fdatasync" if line.ends_with("= 0") => calls.push(Call::Flushed(file)),
            "write" | "writev" | "sendto" | "sendmsg" => calls.push(Call::Said(bytes(arguments))),
            _ => {}
        }
    }
    calls
}

/// The last part of the path in `14<\x2f\x61…>, …`.
fn file(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    let path = String::from_utf8(decoded(path)).expect("UTF-8");
    path.rsplit('/').next().map(str::to_owned)
}

/// The bytes in every `"\x00\x01…"`, joined.
fn bytes(arguments: &str) -> Vec<u8> {
    arguments
        .split('"')
        .skip(1)
        .step_by(2)
        .flat_map(decoded)
        .collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("a byte"))
        .collect()
}

/// The offset in `"…", LENGTH, OFFSET) = …`.
fn after_text(arguments: &str) -> &str {
    let rest = arguments.rsplit('"').next().expect("an end");
    rest.rsplit(", ").next().expect("an offset")
}

fn number(text: &str) -> usize {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Files on a disk with a cache before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    flushed: BTreeMap<String, Vec<u8>>,
    cached: BTreeMap<String, Vec<Change>>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Truncate(length) => content.resize(*length, 0),
            Change::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// A part of it: some of its sectors.
    fn torn(&self, random: &mut StdRng) -> Vec<Change> {
        match self {
            Change::Truncate(_) if random.random() => vec![self.clone()],
            Change::Truncate(_) => Vec::new(),
            Change::Write(offset, bytes) => {
                let mut parts = Vec::new();
                let mut at = 0;
                while at < bytes.len() {
                    let sector_end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
                    let end = sector_end.min(bytes.len());
                    if random.random() {
                        parts.push(Change::Write(offset + at, bytes[at..end].to_vec()));
                    }
                    at = end;
                }
                parts
            }
        }
    }
}

/// What of the cache reaches the disk when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// Nothing of it.
    Nothing,
    /// All of it.
    All,
    /// So many bytes of it, in the order they were written.
    First(u64),
    /// Any sectors of it, by the number that they are drawn with.
    Some(u64),
}

impl Disk {
    /// Does what the process did.
    pub(crate) fn take(&mut self, call: &Call) {
        match call {
            Call::Write(file, offset, bytes) => {
                self.change(file, Change::Write(*offset, bytes.clone()));
            }
            Call::Truncate(file, length) => self.change(file, Change::Truncate(*length)),
            Call::Flushed(file) => {
                let changes = self.cached.remove(file).unwrap_or_default();
                let content = self.flushed.entry(file.clone()).or_default();
                changes.iter().for_each(|change| change.apply(content));
            }
            Call::Said(_) => {}
        }
    }

    fn change(&mut self, file: &str, change: Change) {
        self.cached.entry(file.to_owned()).or_default().push(change);
    }

    /// Whether a failure now would find anything to lose.
    pub(crate) fn has_cached(&self, file: &str) -> bool {
        self.cached.contains_key(file)
    }

    /// A file as it is found when the power is back.
    pub(crate) fn after_failure(&self, file: &str, survives: Survives) -> Vec<u8> {
        let mut content = self.flushed.get(file).cloned().unwrap_or_default();
        let changes = self.cached.get(file).map_or(&[][..], Vec::as_slice);
        match survives {
            Survives::Nothing => {}
            Survives::All => changes.iter().for_each(|change| change.apply(&mut content)),
            Survives::First(mut left) => {
                for change in changes {
                    let Change::Write(offset, bytes) = change else {
                        change.apply(&mut content);
                        continue;
                    };
                    let length = bytes.len().min(usize::try_from(left).expect("a length"));
                    Change::Write(*offset, bytes[..length].to_vec()).apply(&mut content);
                    left -= length as u64;
                    if left == 0 {
                        break;
                    }
                }
            }
            Survives::Some(seed) => {
                let mut random = StdRng::seed_from_u64(seed);
                let parts = changes.iter().flat_map(|change| change.torn(&mut random));
                parts
                    .collect::<Vec<_>>()
                    .iter()
                    .for_each(|part| part.apply(&mut content));
            }
        }
        content
    }
}

#[test]
fn calls_are_read_and_only_what_was_flushed_is_sure() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let text = "7 pwrite64(3<\\x2f\\x77>, \"\\x41\\x42\", 2, 1) = 2\n\
                8 fsync(3<\\x2f\\x77> <unfinished ...>\n\
                7 pwrite64(3<\\x2f\\x77>, \"\\x43\", 1, 0 <unfinished ...>\n\
                7 <... pwrite64 resumed>) = 1\n\
                8 <... fsync resumed>) = 0\n\
                7 ftruncate(4<\\x2f\\x64>, 2) = 0\n\
                7 sendto(9<\\x73>, \"\\x6f\\x6b\", 2, MSG_NOSIGNAL, NULL, 0) = 2\n";
    std::fs::write(&log, text).expect("a file");
    let calls = read(&log);
    assert!(
        matches!(&calls[..], [
        Call::Write(_, 1, _), Call::Write(_, 0, _), Call::Flushed(_), Call::Truncate(_, 2), Call::Said(said)
    ] if said == b"ok"),
        "{calls:?}"
    );
    let mut disk = Disk::default();
    disk.take(&calls[0]);
    assert_eq!(disk.after_failure("w", Survives::Nothing), b"");
    assert_eq!(disk.after_failure("w", Survives::First(1)), b"\0A");
    disk.take(&calls[2]);
    disk.take(&calls[1]);
    assert_eq!(disk.after_failure("w", Survives::Nothing), b"\0AB");
    assert_eq!(disk.after_failure("w", Survives::All), b"CAB");
}
