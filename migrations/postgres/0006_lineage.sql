-- Which history of which database server the log was written in: a restore and a fail-over begin another one.
create table lineage (
    one integer primary key check (one = 1),
    history text not null
);
