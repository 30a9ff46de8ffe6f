-- What the store keeps beside one table per model. The SQLite twin of this file has the same tables.

-- One row per model. Its number names the model's table and is never used again, also after the model is gone.
create table shards (
    shard integer primary key generated always as identity,
    model text not null unique,
    epoch integer not null default 1,
    epoch_start_ms bigint not null default 0,
    floor_ms bigint not null default 0,
    version_offset integer not null default 0,
    purged_ms bigint not null default 0
);

-- Columns of the models' tables that hold index attributes. A column stays filled after its index is gone.
create table index_columns (
    shard integer not null,
    name text not null,
    kind text not null,
    fields text not null,
    primary key (shard, name)
);

-- Every committed write, append only: the clock, the change feed, the history. op: c(reate) u(pdate) d(elete) t(ick).
create table change_log (
    shard integer not null,
    seq bigint not null,
    changed_ms bigint not null,
    op text not null,
    pk text collate "C" not null,
    version integer not null,
    deleted boolean not null,
    doc text not null,
    actor text,
    request text,
    primary key (shard, seq)
);

create index change_log_revision on change_log (shard, pk, version);

create table secrets (
    name text primary key,
    value text not null
);

-- The database's clock in milliseconds. Only ever asked after the shard's lock is held, or to be compared with the head.
create function wall_ms() returns bigint
language sql volatile
as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- Adds an idle tick to a shard's log unless somebody wrote within the last p_after milliseconds.
create function log_tick(p_shard integer, p_after bigint) returns void
language plpgsql volatile
as $$
declare
    v_head_ms bigint;
    v_head_seq bigint;
    v_floor bigint;
begin
    perform pg_advisory_xact_lock(7001, p_shard);
    select s.floor_ms into v_floor from shards s where s.shard = p_shard;
    select l.changed_ms, l.seq into v_head_ms, v_head_seq
      from change_log l where l.shard = p_shard order by l.seq desc limit 1;
    if v_head_seq is null or wall_ms() - v_head_ms > p_after then
        insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc)
        values (p_shard, coalesce(v_head_seq, 0) + 1,
                greatest(coalesce(v_head_ms, 0), coalesce(v_floor, 0), wall_ms()), 't', '', 0, false, '');
    end if;
end
$$;
