//! The views over models, kept in step with the schema.

use std::collections::HashMap;

use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;

use super::inventory::Inventory;
use super::{HERE, Session, Step};
use crate::storage::database::{Arg, Dialect, Row, Statement};
use crate::storage::engine::Engine;
use crate::storage::table::{LONGEST, Table, digest, quoted};
use crate::storage::view_sql;

/// A model's view as it should be.
pub(super) struct View {
    shard: i64,
    model: String,
    query: String,
    digest: String,
}

impl View {
    fn of(dialect: Dialect, model: &Model, table: &Table) -> Self {
        let query = view_sql::query(dialect, model, table);
        View {
            shard: table.shard,
            model: model.name.clone(),
            digest: digest(&format!("{}: {query}", model.name)),
            query,
        }
    }
}

/// A view as it is.
struct Known {
    name: Option<String>,
    digest: Option<String>,
    exists: bool,
}

impl Known {
    /// Its name, if it is there.
    fn there(self) -> Option<String> {
        self.name.filter(|_| self.exists)
    }
}

/// The views that are not what they should be.
pub(super) async fn outdated(
    engine: &Engine,
    schema: &Schema,
    tables: &[Table],
) -> Result<Vec<View>, StorageError> {
    let known = read(&engine.rows(known(engine.dialect())).await?)?;
    let views = schema.models.values().zip(tables);
    let views = views.map(|(model, table)| View::of(engine.dialect(), model, table));
    Ok(views
        .filter(|view| {
            let known = known.get(&view.shard).filter(|known| known.exists);
            known.and_then(|known| known.digest.as_ref()) != Some(&view.digest)
        })
        .collect())
}

fn read(rows: &[Row]) -> Result<HashMap<i64, Known>, StorageError> {
    rows.iter()
        .map(|row| {
            let known = Known {
                name: row.maybe_text(1)?,
                digest: row.maybe_text(2)?,
                exists: row.int(3)? != 0,
            };
            Ok((row.int(0)?, known))
        })
        .collect()
}

/// Shard, name and digest of every view, and whether it is there.
fn known(dialect: Dialect) -> Statement {
    let sql = match dialect {
        Dialect::Postgres => format!(
            "select shard::bigint, view_name, view_digest, \
             (select count(*) from pg_class c where c.relkind = 'v' and c.relname = s.view_name \
              and c.relnamespace = {HERE}) from shards s"
        ),
        Dialect::Sqlite => {
            "select shard, view_name, view_digest, \
             (select count(*) from sqlite_master m where m.type = 'view' and m.name = s.view_name) from shards s"
                .to_owned()
        }
    };
    Statement::new(sql, Vec::new())
}

/// Makes views anew. They are a convenience: one that cannot be made keeps nobody from records.
pub(super) struct Show<'a> {
    pub(super) views: &'a [View],
}

impl Step for Show<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StorageError> {
        let mut inventory = Inventory::read(session).await?;
        let mut known = all(session).await?;
        for view in self.views {
            session.run("savepoint one_view".to_owned()).await?;
            let former = known.remove(&view.shard);
            if let Err(error) = show(session, &mut inventory, view, former).await {
                session
                    .run("rollback to savepoint one_view".to_owned())
                    .await?;
                tracing::warn!(
                    model = view.model,
                    %error,
                    "the SQL view of the model stays as it was; remove what depends on it and migrate again"
                );
            }
            session.run("release savepoint one_view".to_owned()).await?;
        }
        Ok(())
    }
}

async fn show(
    session: &mut Session<'_>,
    inventory: &mut Inventory,
    view: &View,
    former: Option<Known>,
) -> Result<(), StorageError> {
    if let Some(name) = former.and_then(Known::there) {
        session.run(format!("drop view {}", quoted(&name))).await?;
        inventory.names.remove(&quoted(&name));
    }
    let name = name(session.dialect(), inventory, view);
    let create = format!("create view {} as {}", quoted(&name), view.query);
    session.run(create).await?;
    inventory.names.insert(quoted(&name));
    let note = "update shards set view_name = $2, view_digest = $3 where shard = $1";
    let args = vec![
        Arg::Int(view.shard),
        Arg::Text(name),
        Arg::Text(view.digest.clone()),
    ];
    session.execute(Statement::new(note, args)).await
}

/// The model's name, unless something else is called so.
fn name(dialect: Dialect, inventory: &Inventory, view: &View) -> String {
    let fits = |name: &str| {
        let taken = |other: &String| match dialect {
            Dialect::Postgres => *other == quoted(name),
            // Case does not count there.
            Dialect::Sqlite => other.eq_ignore_ascii_case(&quoted(name)),
        };
        name.len() <= LONGEST && !inventory.names.iter().any(taken)
    };
    let View { model, shard, .. } = view;
    let candidates = [model.clone(), format!("{model}_records")];
    candidates
        .into_iter()
        .find(|name| fits(name))
        .unwrap_or_else(|| format!("m{shard}_records"))
}

/// Removes the view of a model that is removed.
pub(super) async fn hide(session: &mut Session<'_>, shard: i64) -> Result<(), StorageError> {
    let known = all(session).await?.remove(&shard);
    match known.and_then(Known::there) {
        Some(name) => session.run(format!("drop view {}", quoted(&name))).await,
        None => Ok(()),
    }
}

async fn all(session: &mut Session<'_>) -> Result<HashMap<i64, Known>, StorageError> {
    let statement = known(session.dialect());
    read(&session.rows(statement).await?)
}
