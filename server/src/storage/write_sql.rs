//! The function that commits a batch on Postgres.

use super::statements::RUNS_SINCE;
use super::table::{Column, Table};

/// Held by whoever changes tables or functions, until its transaction ends. Such transactions are short, but a node may
/// have to wait for a few of them; after that no lock is waited for long, since readers queue up behind a waiting change.
pub(super) const LOCK_SCHEMA: &str = "set local statement_timeout = 0; set local lock_timeout = 0; \
     select pg_advisory_xact_lock(7001, 0); set local lock_timeout = '1s'";

/// The function's parameters before the index columns, in the order of the call.
const PARAMETERS: [(&str, &str); 11] = [
    ("p_pk", "text[]"),
    ("p_expected", "integer[]"),
    ("p_op", "text[]"),
    ("p_deleted", "boolean[]"),
    ("p_doc", "text[]"),
    ("p_actor", "text[]"),
    ("p_request", "text[]"),
    // The latest time that its caller believes.
    ("p_latest", "bigint"),
    // What the batch is known by if it is handed in again.
    ("p_batch", "bigint"),
    // Since when the server runs whose log was looked at.
    ("p_server", "bigint"),
    // How far its caller knows the log to reach.
    ("p_known", "bigint"),
];

/// The error of a database that may lack what its caller has seen of the log.
pub(super) const IN_DOUBT: &str = "57D01";

/// Makes the function. Its name depends on its content, so that a node never calls one that fills other columns than it
/// thinks.
pub(super) fn function(table: &Table) -> String {
    let mut parameters: Vec<String> = PARAMETERS
        .iter()
        .map(|(name, ty)| format!("{name} {ty}"))
        .collect();
    for (n, column) in table.columns.iter().enumerate() {
        let ty = if column.is_number() {
            "double precision[]"
        } else {
            "text[]"
        };
        parameters.push(format!("p_column_{n} {ty}"));
    }
    format!(
        "create function {}({}) returns table (outcome text, pk text, version bigint, deleted bigint, \
         changed_ms bigint, seq bigint, doc text) language plpgsql volatile as $function$\n{}$function$",
        name(table),
        parameters.join(", "),
        body(table, &name(table))
    )
}

/// The call of the function.
pub(super) fn call(table: &Table) -> String {
    let arguments: Vec<String> = (1..=PARAMETERS.len() + table.columns.len())
        .map(|n| format!("${n}"))
        .collect();
    format!(
        "select outcome, pk, version, deleted, changed_ms, seq, doc from {}({})",
        table.layout,
        arguments.join(", ")
    )
}

/// The name of the function, by its content.
pub(super) fn name(table: &Table) -> String {
    table.part_name("write", &body(table, ""))
}

/// What the names of a table's functions begin with, whatever they do.
pub(super) fn prefix(table: &Table) -> String {
    format!("m{}_write_", table.shard)
}

/// The lock comes first and alone: each later statement takes a snapshot that shows everything the previous holder
/// committed (`sync-design.md` W1, W6). Under another isolation level it would not, so such callers are turned away. So
/// are callers that may not know what this server lacks (`doubt`), or do know that it lacks something, and callers that
/// waited here while columns were added: the call goes on in the body it began with, also after the function was dropped, and
/// would leave the new columns empty.
///
/// A write that is too late because this very batch has done it before is done: nobody heard of its commit, so that the
/// batch was handed in again; a new epoch may have begun meanwhile.
fn body(table: &Table, layout: &str) -> String {
    let Table {
        shard,
        name,
        columns,
        ..
    } = table;
    let names: String = columns
        .iter()
        .map(|column| format!(", {}", column.name))
        .collect();
    let values: String = (0..columns.len())
        .map(|n| format!(", p_column_{n}[i]"))
        .collect();
    let sets: String = columns
        .iter()
        .enumerate()
        .map(|(n, Column { name, moved, .. })| {
            format!(
                ", {name} = p_column_{n}[i], {moved} = case when t.{name} is distinct from p_column_{n}[i] \
                 then v_seq else t.{moved} end"
            )
        })
        .collect();
    format!(
        r#"
#variable_conflict use_column
declare
    v_ms bigint;
    v_seq bigint;
    v_version integer;
    v_deleted boolean;
    v_changed bigint;
    v_at bigint;
    v_doc text;
    v_found boolean;
    v_layout text;
    v_offset integer;
    v_done integer;
    v_done_ms bigint;
    v_done_at bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'writes need the isolation level read committed' using errcode = '25001';
    end if;
    if {RUNS_SINCE} <> p_server then
        raise exception 'the log of this server was not looked at' using errcode = '{IN_DOUBT}';
    end if;
    perform pg_advisory_xact_lock(7001, {shard});
    select greatest(coalesce(h.changed_ms, 0), s.floor_ms, least(wall_ms(), p_latest)), coalesce(h.seq, 0), s.layout,
           s.version_offset
      into v_ms, v_seq, v_layout, v_offset
      from shards s left join (
        select l.changed_ms, l.seq from change_log l where l.shard = {shard} order by l.seq desc limit 1
      ) h on true where s.shard = {shard};
    if v_layout is distinct from '{layout}' then
        raise exception 'the columns have changed' using errcode = 'undefined_function';
    end if;
    if v_seq < p_known then
        raise exception 'the log lacks what was seen of it' using errcode = '{IN_DOUBT}';
    end if;
    for i in 1 .. cardinality(p_pk) loop
        select t.version, t.deleted, t.changed_ms, t.seq, t.doc
          into v_version, v_deleted, v_changed, v_at, v_doc
          from {name} t where t.pk = p_pk[i];
        v_found := found;
        if coalesce(v_version, 0) <> p_expected[i] then
            select l.version, l.changed_ms, l.seq into v_done, v_done_ms, v_done_at from change_log l
             where l.shard = {shard} and l.pk = p_pk[i] and l.version > p_expected[i] and l.batch = p_batch + i;
            if found then
                outcome := 'done'; pk := p_pk[i]; version := v_done; deleted := p_deleted[i]::int;
                changed_ms := v_done_ms; seq := v_done_at; doc := null;
            else
                outcome := case when v_found then 'stale' else 'absent' end;
                pk := p_pk[i]; version := v_version; deleted := v_deleted::int;
                changed_ms := v_changed; seq := v_at; doc := v_doc;
            end if;
        elsif v_version = 2147483647 then
            outcome := 'spent';
        else
            v_seq := v_seq + 1;
            v_version := 1 + case p_expected[i] when 0 then v_offset else p_expected[i] end;
            if v_found then
                update {name} as t set version = v_version, deleted = p_deleted[i], changed_ms = v_ms, seq = v_seq,
                       doc = p_doc[i]{sets} where t.pk = p_pk[i];
            else
                insert into {name} (pk, version, deleted, changed_ms, seq, first_seq, doc{names})
                values (p_pk[i], v_version, p_deleted[i], v_ms, v_seq, v_seq, p_doc[i]{values});
            end if;
            insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc, actor, request, batch)
            values ({shard}, v_seq, v_ms, p_op[i], p_pk[i], v_version, p_deleted[i], p_doc[i], p_actor[i], p_request[i],
                    p_batch + i);
            outcome := 'done'; pk := p_pk[i]; version := v_version; deleted := p_deleted[i]::int;
            changed_ms := v_ms; seq := v_seq; doc := null;
        end if;
        return next;
    end loop;
end
"#
    )
}
