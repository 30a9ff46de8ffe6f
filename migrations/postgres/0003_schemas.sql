-- The schemas that the database was prepared for; the one with the greatest rank came last.
create table schemas (
    digest text primary key,
    source text not null,
    prepared_ms bigint not null,
    rank bigint not null
);
