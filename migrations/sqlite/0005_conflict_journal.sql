-- What conflicts came to and why, newest last; cut to a bounded length. The Postgres twin of this file has the same table.
create table conflict_journal (
    id integer primary key autoincrement,
    model text not null,
    pk text not null,
    at_ms integer not null,
    body text not null
);

create index conflict_journal_record on conflict_journal (model, pk, id);
create index conflict_journal_time on conflict_journal (at_ms);
