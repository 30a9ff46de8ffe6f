-- What the store keeps beside one table per model. The Postgres twin of this file has the same tables.

-- One row per model. Its number names the model's table and is never used again, also after the model is gone.
create table shards (
    shard integer primary key autoincrement,
    model text not null unique,
    epoch integer not null default 1,
    epoch_start_ms integer not null default 0,
    floor_ms integer not null default 0,
    version_offset integer not null default 0,
    purged_ms integer not null default 0
);

-- Columns of the models' tables that hold index attributes. A column stays filled after its index is gone.
create table index_columns (
    shard integer not null,
    name text not null,
    kind text not null,
    fields text not null,
    primary key (shard, name)
) without rowid;

-- Every committed write, append only: the clock, the change feed, the history. op: c(reate) u(pdate) d(elete) t(ick).
create table change_log (
    shard integer not null,
    seq integer not null,
    changed_ms integer not null,
    op text not null,
    pk text not null,
    version integer not null,
    deleted integer not null,
    doc text not null,
    actor text,
    request text,
    primary key (shard, seq)
) without rowid;

create index change_log_revision on change_log (shard, pk, version);

create table secrets (
    name text primary key,
    value text not null
) without rowid;
