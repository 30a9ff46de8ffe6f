-- Principals whose sockets every node is to close. The SQLite twin of this file has the same table.
create table dismissals (
    number bigint primary key generated always as identity,
    node text not null,
    principal text not null,
    at_ms bigint not null
);
