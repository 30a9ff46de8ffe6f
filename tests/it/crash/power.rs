//! The power fails while SQLite works. Every call that the server made to its files is on record, so a disk can be made for
//! any moment: with what was flushed until then, and any part of what was not. Each is opened and compared with what the
//! server had said by then.

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::support::accounts::{delete, titled, update};
use crate::support::audit::{audit, versions};
use crate::support::trace::{Call, Disk, Survives, read};
use crate::support::victim::Victim;

const DATABASE: &str = "data.db";
const LOG: &str = "data.db-wal";
/// Enough for the log of the file to be written back twice while the server works, and once at its end.
const WRITES: usize = 130;
/// Every so many moments are tried out in all ways.
const STRIDE: usize = 89;
/// While the log is written back, one moment of so many is tried out in one way.
const WRITING_BACK: usize = 23;

/// What a server did to its files until its end, and the `KEY VERSION` of every post that it answered, at their places.
async fn record() -> Vec<Call> {
    let folder = TempDir::new().expect("a folder");
    let calls = folder.path().join("calls");
    let url = format!("sqlite:{}", folder.path().join(DATABASE).display());
    let victim = Victim::traced(&calls, &url).await.ready().await;
    let filler: String = (0..300).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for number in 0..WRITES {
        let id = format!("k{}", number % 90);
        let mutation = match number {
            0..90 => titled(&id, &filler),
            90..110 => update(&id, 1),
            _ => delete(&id, if number < 110 { 2 } else { 1 }),
        };
        let (status, body) = mutation.send(&victim).await.expect("an answer");
        assert!(status == 200 && body.get("errors").is_none(), "{body}");
    }
    assert!(victim.stop().await.success());
    read(&calls)
}

/// The post that bytes on their way to a client speak of, as `KEY VERSION`.
fn answered(said: &[u8]) -> Option<(String, i64)> {
    let text = String::from_utf8_lossy(said);
    let (_, post) = text.split_once("Post\":{\"id\":\"")?;
    let (id, rest) = post.split_once('"')?;
    let (_, rest) = rest.split_once("\"_version\":")?;
    let version = rest.split(',').next()?.parse().ok()?;
    Some((id.to_owned(), version))
}

/// A failure at one moment, and what is found afterwards.
struct Failure<'a> {
    disk: &'a Disk,
    acknowledged: &'a [(String, i64)],
}

impl Failure<'_> {
    /// What is stored if so much of the cache survives, as the number of writes; panics where that cannot be.
    async fn found(&self, of_log: Survives, of_database: Survives) -> BTreeSet<(String, i64)> {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join(DATABASE);
        let database = self.disk.after_failure(DATABASE, of_database);
        std::fs::write(&path, database).expect("a file");
        let log = self.disk.after_failure(LOG, of_log);
        std::fs::write(folder.path().join(LOG), log).expect("a file");
        let url = format!("sqlite:{}", path.display());
        let moment = format!(
            "after {} answers, {of_log:?}, {of_database:?}",
            self.acknowledged.len()
        );
        assert_eq!(audit(&url).await, [""; 0], "{moment}");
        versions(&url, "Post").await
    }

    async fn assert_nothing_lost(&self, of_log: Survives, of_database: Survives) {
        let found = self.found(of_log, of_database).await;
        for acknowledged in self.acknowledged {
            assert!(
                found.contains(acknowledged),
                "{acknowledged:?} is lost after {} answers, {of_log:?}, {of_database:?}",
                self.acknowledged.len()
            );
        }
        let unasked = found.len() - self.acknowledged.len();
        assert!(unasked <= 1, "more is there than was asked for: {unasked}");
    }
}

/// How often SQLite flushes its log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// At each commit, as the server demands.
    Full,
    /// Before it is written back.
    Normal,
}

/// Calls `at` with the disk and the answers of every moment that is tried out.
async fn each_moment(calls: &[Call], level: Level, mut at: impl AsyncFnMut(usize, Failure<'_>)) {
    let mut disk = Disk::default();
    let mut acknowledged = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        match call {
            Call::Said(said) => acknowledged.extend(answered(said)),
            Call::Flushed(file) if level == Level::Normal && file == LOG => {}
            Call::Write(file, ..) if level == Level::Normal && file == DATABASE => {
                disk.take(&Call::Flushed(LOG.to_owned()));
                disk.take(call);
            }
            call => disk.take(call),
        }
        let writes_back = disk.has_cached(DATABASE);
        if !acknowledged.is_empty()
            && (number % STRIDE == 0 || writes_back && number % WRITING_BACK == 0)
        {
            let failure = Failure {
                disk: &disk,
                acknowledged: &acknowledged,
            };
            at(number, failure).await;
        }
    }
    assert_eq!(acknowledged.len(), WRITES, "every answer is on record");
}

#[tokio::test]
async fn t47_a_power_failure_takes_nothing_that_was_acknowledged_and_leaves_nothing_half_done() {
    let calls = record().await;
    let written_back = calls
        .iter()
        .filter(|call| matches!(call, Call::Flushed(file) if file == DATABASE))
        .count();
    assert!(
        written_back >= 2,
        "the log was written back {written_back} times only"
    );
    each_moment(&calls, Level::Full, async |number, failure| {
        let seed = number as u64;
        let tries = [
            (Survives::Nothing, Survives::Nothing),
            (Survives::All, Survives::Some(seed)),
            (Survives::Some(seed), Survives::Some(seed + 1)),
            (Survives::First(seed * 97 % 9_000), Survives::All),
        ];
        // While it writes back there are thousands of moments; each is tried in one way.
        let chosen = if number % STRIDE == 0 {
            &tries[..]
        } else {
            &tries[number % 4..][..1]
        };
        for (of_log, of_database) in chosen {
            failure.assert_nothing_lost(*of_log, *of_database).await;
        }
    })
    .await;
}

/// SQLite's level NORMAL is FULL without the flush at each commit. It is not offered: this is what it would take.
#[tokio::test]
async fn without_a_flush_at_each_commit_a_power_failure_takes_the_last_writes_but_never_half_of_one()
 {
    let calls = record().await;
    let mut lost = 0;
    each_moment(&calls, Level::Normal, async |number, failure| {
        if failure.disk.has_cached(DATABASE) {
            return;
        }
        let found = failure
            .found(Survives::First(number as u64 * 997), Survives::Nothing)
            .await;
        lost += failure
            .acknowledged
            .iter()
            .filter(|post| !found.contains(post))
            .count();
    })
    .await;
    assert!(lost > 0, "the power never failed before a flush");
}
