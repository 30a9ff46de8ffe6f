-- What conflicts came to and why, newest last; cut to a bounded length. The SQLite twin of this file has the same table.
create table conflict_journal (
    id bigint primary key generated always as identity,
    model text not null,
    pk text collate "C" not null,
    at_ms bigint not null,
    body text not null
);

create index conflict_journal_record on conflict_journal (model, pk, id);
create index conflict_journal_time on conflict_journal (at_ms);
