//! The rules of ARCHITECTURE.md that a program can check.

use std::fs;
use std::path::{Path, PathBuf};

/// How long a source file may get.
const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests crate lies in the workspace")
        .to_owned()
}

/// Every Rust source below `folder`, as (path relative to the workspace, text).
fn sources(folder: &str) -> Vec<(String, String)> {
    files(folder, "rs")
}

/// Every file of a kind below `folder` that is ours, as (path relative to the workspace, text).
fn files(folder: &str, kind: &str) -> Vec<(String, String)> {
    fn walk(at: &Path, kind: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(at).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, kind, found);
            } else if path.extension().is_some_and(|extension| extension == kind) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), kind, &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            let name = path.strip_prefix(&root).expect("below the root");
            (name.to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// The part of a source before its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// Lines outside of tests and comments that hold one of `words`, as `file:line: text`.
fn uses(folder: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources(folder) {
        if allowed.iter().any(|prefix| name.starts_with(prefix)) || name.contains("/tests") {
            continue;
        }
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

fn manifest(folder: &str) -> String {
    fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest")
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn conflict_handlers_know_neither_graphql_nor_sql_nor_http() {
    let text = manifest("conflict-handlers");
    for library in [
        "async-graphql",
        "sqlx",
        "axum",
        "reqwest",
        "tokio",
        "driftless-resolvers",
    ] {
        assert!(
            !text.contains(library),
            "conflict-handlers depends on {library}"
        );
    }
}

#[test]
fn resolvers_know_neither_databases_nor_sockets() {
    let text = manifest("resolvers");
    for library in ["sqlx", "axum", "reqwest", "tower", "hyper"] {
        assert!(!text.contains(library), "resolvers depends on {library}");
    }
    none(
        &uses(
            "resolvers/src",
            &["std::fs", "TcpStream", "TcpListener", "UdpSocket"],
            &[],
        ),
        "resolvers touch the world only through their ports",
    );
}

#[test]
fn the_harness_shares_no_code_with_the_server() {
    let text = manifest("client-test-harness");
    let dependencies = text.split("[dependencies]").nth(1).expect("dependencies");
    assert!(
        !dependencies.contains("driftless"),
        "client-test-harness depends on a crate of the workspace"
    );
}

#[test]
fn sql_is_written_only_in_the_stores() {
    let words = [
        "SELECT ",
        "INSERT INTO",
        "UPDATE \"",
        "DELETE FROM",
        "CREATE TABLE",
        "select ",
        "insert into ",
    ];
    none(
        &uses("server/src", &words, &["server/src/storage/"]),
        "SQL outside of server/src/storage",
    );
    none(&uses("resolvers/src", &words, &[]), "SQL in resolvers");
}

#[test]
fn resolvers_reach_records_only_with_a_permit() {
    none(
        &uses(
            "resolvers/src",
            &[".storage"],
            &["resolvers/src/authz/permit.rs", "resolvers/src/fixtures/"],
        ),
        "a read or write that no rule has decided",
    );
}

#[test]
fn error_types_are_spelled_in_one_place_per_layer() {
    let words = [
        "\"Unauthorized\"",
        "\"ConflictUnhandled",
        "\"ConditionalCheckFailed",
        "Exception\"",
    ];
    let allowed = [
        "resolvers/src/api/error.rs",
        "server/src/http/error.rs",
        "server/src/realtime/protocol.rs",
    ];
    for folder in ["resolvers/src", "server/src"] {
        none(
            &uses(folder, &words, &allowed),
            "an errorType outside of the files that list them",
        );
    }
}

#[test]
fn only_the_configuration_reads_the_environment_and_only_the_clock_the_time() {
    none(
        &uses(
            "server/src",
            &["env::var", "env::vars"],
            &["server/src/config"],
        ),
        "environment read outside of server/src/config",
    );
    none(
        &uses(
            "resolvers/src",
            &["SystemTime::now", "Instant::now", "Uuid::new_v4"],
            &["resolvers/src/clock.rs"],
        ),
        "time or ids made outside of clock.rs",
    );
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let mut long = Vec::new();
    for folder in [
        "conflict-handlers",
        "resolvers",
        "server",
        "client-test-harness",
        "tests/it",
    ] {
        for (name, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{name}: {lines} lines"));
            }
        }
    }
    none(&long, "files to divide");
}

/// The text of every test of ours.
fn all_tests() -> String {
    let folders = [
        "conflict-handlers",
        "resolvers",
        "server",
        "client-test-harness",
        "tests/it",
    ];
    let rust = folders.into_iter().flat_map(sources);
    let all = rust.chain(files("tests/clients", "mjs"));
    all.map(|(_, text)| text).collect()
}

/// What stands in backticks in the cells of a page's tables, from the `first` cell on, and names no test.
fn unknown_tests(page: &str, first: usize) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("a page");
    let everything = all_tests();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('|').skip(1 + first))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| !everything.contains(*name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_compat_names_exists() {
    none(
        &unknown_tests("COMPAT.md", 3),
        "COMPAT.md names tests that do not exist",
    );
}

#[test]
fn every_test_that_anomalies_names_exists() {
    let page = "docs/anomalies.md";
    none(
        &unknown_tests(page, 2),
        "docs/anomalies.md names what does not exist",
    );
    let text = fs::read_to_string(root().join(page)).expect("the page");
    for number in 1..=50 {
        let row = format!("| T{number} |");
        assert_eq!(text.matches(&row).count(), 1, "{page} has no row {row}");
    }
}

/// The rules of versions and conflicts: `sync-semantics` 1, 2, 5, 6 and 7, as `docs/conflict-rules.md` lists them.
fn rules_of_conflicts() -> Vec<String> {
    let numbered = [
        ("META-", 3),
        ("MUT-", 11),
        ("row ", 16),
        ("OCC-", 4),
        ("AM-", 5),
        ("merge row ", 9),
        ("kind row ", 6),
        ("side effect ", 4),
        ("strategy ", 3),
        ("A", 20),
        ("LAM-", 6),
    ];
    let numbered = numbered
        .into_iter()
        .flat_map(|(kind, count)| (1..=count).map(move |number| format!("{kind}{number}")));
    let words = [
        "MUT-2a",
        "event",
        "answer RESOLVE",
        "answer REJECT",
        "answer REMOVE",
        "answer MERGE",
        "answer ACCEPT",
        "answer KEEP",
        "answer AUTOMERGE",
        "answer ERROR",
        "answer other",
        "limit input",
        "limit output",
        "limit time",
        "limit memory",
        "limit schema",
    ];
    numbered.chain(words.map(str::to_owned)).collect()
}

/// A rule's id or a test's name in one form: `_am_3_…`, `_occ_3_…`.
fn slug(name: &str) -> String {
    let word = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let plain: String = name.to_lowercase().chars().map(word).collect();
    let parts: Vec<&str> = plain.split('_').filter(|part| !part.is_empty()).collect();
    format!("_{}_", parts.join("_"))
}

/// The cells of a page's one row that begins with this id.
fn row_of<'a>(page: &'a str, id: &str) -> Vec<&'a str> {
    let start = format!("| {id} |");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with(&start))
        .collect();
    assert_eq!(rows.len(), 1, "rows of {id}");
    rows[0].trim_matches('|').split('|').collect()
}

fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_rule_of_conflicts_has_a_test_of_its_name() {
    let path = "docs/conflict-rules.md";
    let text = fs::read_to_string(root().join(path)).expect("the page");
    let everything = all_tests();
    let is_test = |name: &str| {
        [format!("fn {name}("), format!("scenario('{name}'")]
            .iter()
            .any(|written| everything.contains(written))
    };
    let mut found = Vec::new();
    for id in rules_of_conflicts() {
        let row = row_of(&text, &id);
        let tests = names(row.last().expect("a cell"));
        if !tests
            .iter()
            .any(|name| slug(name).contains(&slug(&id)) && is_test(name))
        {
            found.push(format!("{id}: no test of its name"));
        }
    }
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| rule"));
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches(['|', ' ']).split('|').collect();
        let tests = names(cells.last().expect("a cell"));
        if tests.is_empty() {
            found.push(format!("no test in {row}"));
        }
        let unknown = tests.into_iter().filter(|name| !is_test(name));
        found.extend(unknown.map(|name| format!("{name} is no test")));
    }
    for number in 1..=24 {
        row_of(&text, &format!("P{number}"));
    }
    none(&found, path);
}

/// The rules of `docs/api-rules.md`: how many each section has.
const API_RULES: [(&str, usize); 3] = [("R5", 15), ("R6", 15), ("R7", 8)];

#[test]
fn every_rule_of_the_api_has_tests_that_exist() {
    let page = "docs/api-rules.md";
    none(
        &unknown_tests(page, 2),
        "docs/api-rules.md names tests that do not exist",
    );
    let text = fs::read_to_string(root().join(page)).expect("the page");
    for (section, count) in API_RULES {
        for number in 1..=count {
            let row = format!("| {section}.{number} |");
            let mut rows = text.lines().filter(|line| line.starts_with(&row));
            let found = rows
                .next()
                .unwrap_or_else(|| panic!("{page} has no row {row}"));
            let proof = found.split('|').nth(3).unwrap_or_default();
            assert!(proof.contains('`'), "{section}.{number} has no test");
            assert!(rows.next().is_none(), "{page} has {row} twice");
        }
    }
}
