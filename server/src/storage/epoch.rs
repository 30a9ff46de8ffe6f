//! A new epoch: what is done when writes are missing that clients have seen, because a backup was restored or a fail-over
//! lost the last of them (`sync-design.md` 10).
//!
//! Clients then hold versions that the server will give to other content, and `lastSync` values that promise too much. So
//! every version becomes greater than any that was ever shown, also that of a record that is made from now on (its creation
//! may have been lost); every `lastSync` from before is answered with a base sync,
//! and the log goes on after a gap, at which every node notices that its subscribers have missed something and
//! disconnects them.

use serde_json::json;

use driftless_resolvers::storage::StorageError;
use driftless_resolvers::sync::FUTURE_TOLERANCE;

use super::database::{Arg, Dialect, Row, Statement};
use super::engine::{Engine, Wall};
use super::migrate::{Session, Step, patiently};
use super::table::Table;

/// How far versions and the log jump: further than writes can have been lost. A database that fell back before an epoch
/// that somebody has seen jumps over that epoch, too: what was given away in it is not given away again.
pub(super) const JUMP: i64 = 1_000_000;
/// How far, in milliseconds, the clock of a former primary may have been ahead of this one: times that it gave to devices
/// must lie before the epoch. What was further ahead is taken for a wrong clock by itself.
const SKEW: i64 = FUTURE_TOLERANCE;

/// The last row of a model's log that somebody knew of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) shard: i64,
    pub(super) seq: i64,
    pub(super) changed: i64,
    /// How far the versions of the model had jumped by then, in all epochs together; 0 if that is not known.
    pub(super) offset: i64,
    /// How far clients were shown the log, if that is further.
    pub(super) shown: i64,
}

impl Mark {
    /// How far the log must reach.
    fn reach(&self) -> i64 {
        self.seq.max(self.shown)
    }
}

/// The last row of every model that was written to.
pub(super) async fn heads(engine: &Engine) -> Result<Vec<Mark>, StorageError> {
    let sql = "select cast(h.shard as bigint), h.seq, l.changed_ms, cast(h.version_offset as bigint) from \
               (select s.shard, s.version_offset, (select max(m.seq) from change_log m where m.shard = s.shard) as seq \
               from shards s) h join change_log l on l.shard = h.shard and l.seq = h.seq order by h.shard";
    let rows = engine.rows(Statement::new(sql, Vec::new())).await?;
    let mark = |row: &Row| {
        Ok(Mark {
            shard: row.int(0)?,
            seq: row.int(1)?,
            changed: row.int(2)?,
            offset: row.int(3)?,
            shown: 0,
        })
    };
    rows.iter().map(mark).collect()
}

/// Starts a new epoch for all models, unless the epoch is another one than `known`: then somebody else has done it. The
/// marks are of rows that clients have seen. What is noted is noted with it or not at all.
pub(super) async fn renew(
    engine: &Engine,
    known: i64,
    marks: &[Mark],
    noted: Option<Statement>,
) -> Result<bool, StorageError> {
    let renewal = Renewal {
        known,
        wall: engine.wall(),
        marks: marks.to_vec(),
        noted,
    };
    patiently(engine, &renewal).await
}

/// The epoch of a store.
pub(super) async fn current(engine: &Engine) -> Result<i64, StorageError> {
    let rows = engine.rows(highest()).await?;
    rows.first().map_or(Ok(1), |row| row.int(0))
}

fn highest() -> Statement {
    let sql = "select cast(coalesce(max(epoch), 1) as bigint) from shards";
    Statement::new(sql, Vec::new())
}

/// Whether rows of the log that somebody knew of are gone, or are others now, or a whole epoch is. Rows that were trimmed
/// are no loss.
pub(super) async fn is_lost(engine: &Engine, marks: &[Mark]) -> Result<bool, StorageError> {
    let known: Vec<_> = marks.iter().map(|mark| [mark.shard, mark.seq]).collect();
    let args = vec![Arg::Text(json!(known).to_string())];
    let rows = engine
        .rows(Statement::new(look(engine.dialect()), args))
        .await?;
    for (row, mark) in rows.iter().zip(marks) {
        let (head, changed, offset) = (row.int(0)?, row.int(1)?, row.int(2)?);
        let is_another = changed != 0 && changed != mark.changed;
        if head < mark.reach() || is_another || offset < mark.offset {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of each mark in order: the log's head now, the time of the row with the mark's position, or 0, and how far the versions
/// of the model have jumped.
fn look(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "select coalesce((select max(l.seq) from change_log l where l.shard = (m.mark->>0)::int), 0), \
             coalesce((select l.changed_ms from change_log l where l.shard = (m.mark->>0)::int \
             and l.seq = (m.mark->>1)::bigint), 0), \
             coalesce((select s.version_offset::bigint from shards s where s.shard = (m.mark->>0)::int), 0) \
             from json_array_elements($1::json) with ordinality m(mark, n) order by m.n"
        }
        Dialect::Sqlite => {
            "select coalesce((select max(l.seq) from change_log l where l.shard = json_extract(m.value, '$[0]')), 0), \
             coalesce((select l.changed_ms from change_log l where l.shard = json_extract(m.value, '$[0]') \
             and l.seq = json_extract(m.value, '$[1]')), 0), \
             coalesce((select s.version_offset from shards s where s.shard = json_extract(m.value, '$[0]')), 0) \
             from json_each($1) m order by m.key"
        }
    }
}

/// One transaction: long where there are many records, so writers are told to try again meanwhile.
struct Renewal {
    known: i64,
    wall: Wall,
    marks: Vec<Mark>,
    noted: Option<Statement>,
}

impl Step for Renewal {
    type Done = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, StorageError> {
        let rows = session.rows(highest()).await?;
        if rows.first().map_or(Ok(1), |row| row.int(0))? != self.known {
            return Ok(false);
        }
        let models = "select cast(shard as bigint), model, cast(version_offset as bigint) from shards order by shard";
        for row in session.rows(Statement::new(models, Vec::new())).await? {
            self.renew(session, &row).await?;
        }
        if let Some(noted) = &self.noted {
            session.execute(noted.clone()).await?;
        }
        Ok(true)
    }
}

/// How far a model jumps whose log ends here and whose versions have jumped so far: beyond what was seen of it. A log alone
/// does not tell how many epochs are gone: this one may be much longer than that from which they had begun. Nor do the jumps
/// of one model: it may have been removed and made again, under another number, in an epoch that is gone.
fn jump(marks: &[Mark], shard: i64, head: i64, offset: i64) -> i64 {
    let of_log = marks.iter().filter(|mark| mark.shard == shard);
    let of_log = of_log.map(|mark| mark.reach() - head);
    let of_any = marks.iter().map(|mark| mark.offset - offset);
    let gone = of_log.chain(of_any).max().unwrap_or(0).max(0) / JUMP;
    (gone + 1) * JUMP
}

impl Renewal {
    async fn renew(&self, session: &mut Session<'_>, model: &Row) -> Result<(), StorageError> {
        let shard = model.int(0)?;
        session.lock(shard).await?;
        let head = "select coalesce(max(seq), 0) from change_log where shard = $1";
        let head = Statement::new(head, vec![Arg::Int(shard)]);
        let head = session.rows(head).await?;
        let head = head.first().map_or(Ok(0), |row| row.int(0))?;
        let jump = jump(&self.marks, shard, head, model.int(2)?);
        // A record whose version is above this keeps it: `_version` has 31 bits.
        let highest = i64::from(i32::MAX) - jump;
        let table = Table::name_for(shard, &model.text(1)?);
        let of_shard = vec![Arg::Int(shard)];
        let mut with_wall = of_shard.clone();
        let wall_sql = self.wall.bind(&mut with_wall);
        let (latest, falsehood) = match session.dialect() {
            Dialect::Postgres => ("greatest", "false"),
            Dialect::Sqlite => ("max", "0"),
        };
        for (sql, args) in [
            (
                format!("update {table} set version = version + {jump} where version <= {highest}"),
                Vec::new(),
            ),
            (
                format!(
                    "update change_log set version = version + {jump} \
                     where shard = $1 and op <> 't' and version <= {highest}"
                ),
                of_shard.clone(),
            ),
            (
                format!(
                    "insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc) \
                     select s.shard, {head} + {jump} + 1, 1 + {latest}(h.changed_ms, s.floor_ms, {wall_sql} + {SKEW}), \
                     't', '', 0, {falsehood}, '' from shards s cross join (select coalesce(max(changed_ms), 0) \
                     as changed_ms from change_log where shard = $1) h \
                     where s.shard = $1"
                ),
                with_wall,
            ),
            (
                format!(
                    "update shards set epoch = epoch + 1, \
                     version_offset = version_offset + case when version_offset <= {highest} then {jump} else 0 end, \
                     epoch_start_ms = (select max(changed_ms) - 1 from change_log where shard = $1), \
                     floor_ms = (select max(changed_ms) from change_log where shard = $1) where shard = $1"
                ),
                of_shard,
            ),
        ] {
            session.execute(Statement::new(sql, args)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(shard: i64, seq: i64, epochs: i64) -> Mark {
        Mark {
            shard,
            seq,
            changed: 1,
            offset: epochs * JUMP,
            shown: 0,
        }
    }

    #[test]
    fn a_log_jumps_over_every_epoch_that_somebody_has_seen() {
        let marks = [
            mark(1, 7, 0),
            mark(2, JUMP + 9, 0),
            mark(3, 2 * JUMP + 9, 0),
            mark(3, 4, 0),
        ];
        assert_eq!(jump(&marks, 1, 5, 0), JUMP);
        assert_eq!(jump(&marks, 2, 5, 0), 2 * JUMP);
        assert_eq!(jump(&marks, 2, JUMP + 5, JUMP), JUMP);
        assert_eq!(jump(&marks, 3, 5, 0), 3 * JUMP);
        assert_eq!(jump(&marks, 4, 5, 0), JUMP, "nothing is known of it");
        assert_eq!(jump(&marks, 1, 900, 0), JUMP, "others have written since");
    }

    #[test]
    fn a_model_jumps_over_the_epochs_in_which_it_had_another_number() {
        let marks = [mark(1, 7, 0), mark(9, 7, 2)];
        assert_eq!(jump(&marks, 1, 7, 0), 3 * JUMP);
        assert_eq!(jump(&marks, 1, 7, 2 * JUMP), JUMP);
    }

    #[test]
    fn a_log_that_is_longer_than_that_of_a_lost_epoch_jumps_over_it_all_the_same() {
        let begun_early = [mark(1, JUMP + 9, 1)];
        for head in [900, JUMP + 900, 7 * JUMP] {
            assert_eq!(jump(&begun_early, 1, head, 0), 2 * JUMP, "{head}");
        }
        let unknown = [mark(1, JUMP + 9, 0)];
        assert_eq!(jump(&unknown, 1, 5, 0), 2 * JUMP, "the log tells");
        let shown = Mark {
            shown: JUMP + 9,
            ..mark(1, 7, 0)
        };
        assert_eq!(jump(&[shown], 1, 5, 0), 2 * JUMP, "clients were shown it");
    }
}
