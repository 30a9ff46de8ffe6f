-- The servers that work with this database, and which start of the database server each of them has looked at last, in
-- microseconds: what it knew of the logs is dealt with there. A SQLite file has one process, which waits for nobody.
create table nodes (
    node text primary key,
    looked bigint not null,
    seen_ms bigint not null
);
