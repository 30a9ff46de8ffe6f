//! Pages whose filter takes its time to be tested.

use crate::support::cluster::execute;

use super::*;

/// To test all of them takes longer than Postgres lets a statement take.
const RECORDS: usize = 600;
const SLOW: &str = "create function public.json_typeof(p json) returns text language plpgsql stable as \
    $$ begin perform pg_sleep(0.01); return pg_catalog.json_typeof(p); end $$";

/// What reading documents of some ten kilobytes does by itself.
async fn with_slow_documents() -> (Stand, Model) {
    let stand = Stand::postgres().await;
    let model = ready(&stand).await;
    let creates = (0..RECORDS).map(|n| {
        let document = json!({"id": format!("{n:03}"), "title": n.to_string()});
        create(&stand, &model, document)
    });
    join_all(creates).await;
    let database = stand.database().unwrap();
    let mut connection = database.connect().await;
    let path = format!(
        "alter database {} set search_path = public, pg_catalog",
        database.name()
    );
    for sql in [path.as_str(), SLOW] {
        execute(&mut connection, sql).await;
    }
    drop(connection);
    let stand = stand.restart().await;
    let model = ready(&stand).await;
    (stand, model)
}

fn last() -> Filter {
    Filter::Field {
        name: "title".to_owned(),
        test: Test::Eq(json!((RECORDS - 1).to_string())),
    }
}

#[tokio::test]
async fn a_sync_gets_on_whose_filter_takes_longer_than_a_statement_may() {
    let (stand, model) = with_slow_documents().await;
    for last_sync in [None, Some(1)] {
        let mut query = SyncQuery {
            from: SyncFrom::First {
                last_sync,
                overlap: 0,
                window: None,
            },
            rows: Filter::everything(),
            filter: last(),
            limit: 10,
        };
        let mut found = Vec::new();
        loop {
            let page = stand.storage.sync(&model, &query).await.unwrap();
            found.extend(page.records);
            match page.next {
                Some(next) => query.from = SyncFrom::Next(next),
                None => break,
            }
        }
        assert_eq!(ids(&found), [(RECORDS - 1).to_string()]);
    }
    stand.finish().await;
}

#[tokio::test]
async fn a_list_gets_on_whose_filter_takes_longer_than_a_statement_may() {
    let (stand, model) = with_slow_documents().await;
    let mut query = Query {
        scope: Scope::Table,
        rows: Filter::everything(),
        filter: last(),
        limit: 10,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let page = stand.storage.query(&model, &query).await.unwrap();
        found.extend(page.records);
        match page.next {
            None => break,
            next => query.after = next,
        }
    }
    assert_eq!(ids(&found), [(RECORDS - 1).to_string()]);
    stand.finish().await;
}
