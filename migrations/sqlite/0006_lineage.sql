-- Which history of which database server the log was written in (Postgres; beside a file lies a mark instead).
create table lineage (
    one integer primary key check (one = 1),
    history text not null
);
