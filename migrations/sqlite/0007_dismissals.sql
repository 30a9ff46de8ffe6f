-- Principals whose sockets every node is to close. The Postgres twin of this file has the same table.
create table dismissals (
    number integer primary key autoincrement,
    node text not null,
    principal text not null,
    at_ms integer not null
);
