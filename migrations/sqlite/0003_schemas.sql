-- The schemas that the database was prepared for; the one with the greatest rank came last.
create table schemas (
    digest text primary key,
    source text not null,
    prepared_ms integer not null,
    rank integer not null
) without rowid;
