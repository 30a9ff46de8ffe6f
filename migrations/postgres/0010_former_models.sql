-- How far the versions of models had come that were removed with their records: a model that takes such a name again goes on
-- above them, since devices may hold records of the former one. The SQLite twin of this file has the same table.
create table former_models (
    model text primary key,
    version integer not null
);
