//! Whole statements, as their trees' debug text without places and without what is not there.

use expect_test::{Expect, expect};

use crate::parse::statement;

#[test]
fn queries() {
    check(
        "
        select distinct on (a) a, t.*, * from s.t as t where b group by (), rollup(c) having d order by e desc nulls last limit 1 offset 2 for update of t skip locked
        select 1 union all select 2 intersect select 3 order by 1
        (select 1 order by 1) limit 2
        (select 1 limit 1) union (select 2)
        values (1, default), (2, null)
        table only t
        select * from a join b join c on true using (x), (d natural join e) cross join lateral f(1) with ordinality as g(h, i)
        select * from (values (1)) as v(a), f() as (a int, b text), g() h(c int)
        with recursive a(x) as (select 1 union all select 2), b as not materialized (delete from t returning a) select 1 fetch first row only
        select 1 limit all
        ",
        &expect![[r#"
            Query(Query { body: Select(Select { distinct: Some(On([Column(ColumnRef { parts: ["a"],  })])), projection: [Expr { expr: Column(ColumnRef { parts: ["a"],  }),  }, QualifiedWildcard(["t"]), Wildcard], from: [Table { name: ObjectName { schema: Some("s"), name: "t",  }, alias: Some(TableAlias { name: "t",  }) }], selection: Some(Column(ColumnRef { parts: ["b"],  })), group_by: [Empty, Rollup([Column(ColumnRef { parts: ["c"],  })])], having: Some(Column(ColumnRef { parts: ["d"],  })),  }), order_by: [OrderBy { expr: Column(ColumnRef { parts: ["e"],  }), descending: true, nulls_first: Some(false) }], limit: Some(Number("1")), offset: Some(Number("2")), locking: [Locking { strength: "update", of: [ObjectName { name: "t",  }], wait: Some("skip locked") }] })
            Query(Query { body: SetOp { op: Union, all: true, left: Select(Select { projection: [Expr { expr: Number("1"),  }],  }), right: SetOp { op: Intersect, left: Select(Select { projection: [Expr { expr: Number("2"),  }],  }), right: Select(Select { projection: [Expr { expr: Number("3"),  }],  }) } }, order_by: [OrderBy { expr: Number("1"),  }],  })
            Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }), order_by: [OrderBy { expr: Number("1"),  }], limit: Some(Number("2")),  })
            Query(Query { body: SetOp { op: Union, left: Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }), limit: Some(Number("1")),  }), right: Select(Select { projection: [Expr { expr: Number("2"),  }],  }) },  })
            Query(Query { body: Values([[Number("1"), Default], [Number("2"), Null]]),  })
            Query(Query { body: Select(Select { projection: [Wildcard], from: [Table { name: ObjectName { name: "t",  },  }],  }),  })
            Query(Query { body: Select(Select { projection: [Wildcard], from: [Join { left: Table { name: ObjectName { name: "a",  },  }, right: Join { left: Table { name: ObjectName { name: "b",  },  }, right: Table { name: ObjectName { name: "c",  },  }, kind: Inner, on: On(Bool(true)) }, kind: Inner, on: Using(["x"]) }, Join { left: Join { left: Table { name: ObjectName { name: "d",  },  }, right: Table { name: ObjectName { name: "e",  },  }, kind: Inner, on: Natural }, right: Function { lateral: true, call: Call { name: ObjectName { name: "f",  }, args: [CallArg { value: Number("1"),  }],  }, ordinality: true, alias: Some(TableAlias { name: "g", columns: ["h", "i"],  }) }, kind: Cross,  }],  }),  })
            Query(Query { body: Select(Select { projection: [Wildcard], from: [Subquery { query: Query { body: Values([[Number("1")]]),  }, alias: Some(TableAlias { name: "v", columns: ["a"],  }) }, Function { call: Call { name: ObjectName { name: "f",  },  }, alias: Some(TableAlias { name: "", column_types: [("a", TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }), ("b", TypeName { name: ObjectName { name: "text",  }, array_dimensions: 0,  })] }) }, Function { call: Call { name: ObjectName { name: "g",  },  }, alias: Some(TableAlias { name: "h", column_types: [("c", TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  })] }) }],  }),  })
            Query(Query { with: Some(With { recursive: true, ctes: [Cte { name: "a", columns: ["x"], body: Query(Query { body: SetOp { op: Union, all: true, left: Select(Select { projection: [Expr { expr: Number("1"),  }],  }), right: Select(Select { projection: [Expr { expr: Number("2"),  }],  }) },  }) }, Cte { name: "b", materialized: Some(false), body: Delete(Delete { table: ObjectName { name: "t",  }, returning: [Expr { expr: Column(ColumnRef { parts: ["a"],  }),  }] }) }] }), body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }), limit: Some(Number("1")),  })
            Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  })
        "#]],
    );
}

#[test]
fn changes_of_rows() {
    check(
        "
        insert into t default values
        insert into s.t as x (a, b) overriding user value values (1, default) on conflict (a, lower(b)) where c do update set d = 1, (e, f) = (1, 2), (g) = (select 1) where h returning a as b
        insert into t (select 1) on conflict on constraint c do nothing
        with a as (select 1) update only t x set a = 1 from y where b returning *
        delete from t using a, b where c
        truncate table a, s.b restart identity cascade
        ",
        &expect![[r#"
            Insert(Insert { table: ObjectName { name: "t",  }, source: Default,  })
            Insert(Insert { table: ObjectName { schema: Some("s"), name: "t",  }, alias: Some("x"), columns: ["a", "b"], overriding: Some(User), source: Query(Query { body: Values([[Number("1"), Default]]),  }), on_conflict: Some(OnConflict { target: Some(Columns { keys: [Column(ColumnRef { parts: ["a"],  }), Call(Call { name: ObjectName { name: "lower",  }, args: [CallArg { value: Column(ColumnRef { parts: ["b"],  }),  }],  })], predicate: Some(Column(ColumnRef { parts: ["c"],  })) }), action: Update { assignments: [Column { column: "d", value: Number("1") }, Row { columns: ["e", "f"], values: [Number("1"), Number("2")] }, Query { columns: ["g"], query: Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  } }], selection: Some(Column(ColumnRef { parts: ["h"],  })) } }), returning: [Expr { expr: Column(ColumnRef { parts: ["a"],  }), alias: Some("b") }] })
            Insert(Insert { table: ObjectName { name: "t",  }, source: Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  }), on_conflict: Some(OnConflict { target: Some(Constraint("c")), action: Nothing }),  })
            Update(Update { with: Some(With { ctes: [Cte { name: "a", body: Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  }) }] }), table: ObjectName { name: "t",  }, alias: Some("x"), assignments: [Column { column: "a", value: Number("1") }], from: [Table { name: ObjectName { name: "y",  },  }], selection: Some(Column(ColumnRef { parts: ["b"],  })), returning: [Wildcard] })
            Delete(Delete { table: ObjectName { name: "t",  }, using: [Table { name: ObjectName { name: "a",  },  }, Table { name: ObjectName { name: "b",  },  }], selection: Some(Column(ColumnRef { parts: ["c"],  })),  })
            Truncate(Truncate { tables: [ObjectName { name: "a",  }, ObjectName { schema: Some("s"), name: "b",  }], restart_identity: true, cascade: true })
        "#]],
    );
}

#[test]
fn tables() {
    check(
        "
        create table if not exists s.t (a int constraint k primary key, b text collate \"C\" default 'x' || 'y' not null, c int generated always as identity (start with 5), d int generated always as (a + 1) stored, e int references u (v) on delete cascade deferrable initially deferred)
        create temp table t (like s.x including all excluding indexes, unique nulls not distinct (a), check (b) no inherit, foreign key (a, b) references x match full on delete set null (a) on update restrict not valid, exclude using gist (a with =))
        create table t (a, b) as select 1, 2
        create table t (a int) inherits (b)
        create table t partition of u for values in (1)
        alter table if exists only t add column if not exists a int default 1, drop column b cascade, alter c set default 2, alter column d drop not null, alter e type int using e::int, add constraint f unique (g) deferrable, drop constraint if exists h, enable row level security, no force row level security, owner to current_user, set (x = y, z), replica identity full, disable trigger all
        alter table t alter a add generated by default as identity (sequence name s.q start with 1 no maxvalue cache 1)
        alter table t rename column a to b
        alter table t rename constraint a to b
        alter view v set schema s
        ",
        &expect![[r#"
            CreateTable(CreateTable { name: ObjectName { schema: Some("s"), name: "t",  }, if_not_exists: true, columns: [ColumnDef { name: "a", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, constraints: [ColumnConstraint { name: Some("k"), kind: PrimaryKey, deferrable: Not }],  }, ColumnDef { name: "b", ty: TypeName { name: ObjectName { name: "text",  }, array_dimensions: 0,  }, collation: Some(ObjectName { name: "C",  }), constraints: [ColumnConstraint { kind: Default(Binary { op: "||", left: String("x"), right: String("y"),  }), deferrable: Not }, ColumnConstraint { kind: NotNull, deferrable: Not }],  }, ColumnDef { name: "c", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, constraints: [ColumnConstraint { kind: Identity { always: true, options: SequenceOptions { start: Some(5),  } }, deferrable: Not }],  }, ColumnDef { name: "d", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, constraints: [ColumnConstraint { kind: Generated(Binary { op: "+", left: Column(ColumnRef { parts: ["a"],  }), right: Number("1"),  }), deferrable: Not }],  }, ColumnDef { name: "e", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, constraints: [ColumnConstraint { kind: References(References { table: ObjectName { name: "u",  }, columns: ["v"], on_delete: Cascade, on_update: NoAction,  }), deferrable: InitiallyDeferred }],  }],  })
            CreateTable(CreateTable { name: ObjectName { name: "t",  }, temporary: true, constraints: [TableConstraint { kind: Unique { columns: ["a"], nulls_not_distinct: true }, deferrable: Not,  }, TableConstraint { kind: Check(Column(ColumnRef { parts: ["b"],  })), deferrable: Not,  }, TableConstraint { kind: ForeignKey { columns: ["a", "b"], references: References { table: ObjectName { name: "x",  }, on_delete: SetNull, on_delete_columns: ["a"], on_update: Restrict, match_full: true } }, deferrable: Not, not_valid: true,  }, TableConstraint { kind: Exclude, deferrable: Not,  }], like: [(ObjectName { schema: Some("s"), name: "x",  }, ["COMMENTS", "COMPRESSION", "CONSTRAINTS", "DEFAULTS", "GENERATED", "IDENTITY", "STATISTICS", "STORAGE"])],  })
            CreateTable(CreateTable { name: ObjectName { name: "t",  }, query: Some(Query { body: Select(Select { projection: [Wildcard], from: [Subquery { query: Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }, Expr { expr: Number("2"),  }],  }),  }, alias: Some(TableAlias { name: "query", columns: ["a", "b"],  }) }],  }),  }),  })
            CreateTable(CreateTable { name: ObjectName { name: "t",  }, columns: [ColumnDef { name: "a", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  },  }], unsupported: [("INHERITS", 23..31)] })
            CreateTable(CreateTable { name: ObjectName { name: "t",  }, unsupported: [("PARTITION OF", 15..24)] })
            AlterTable(AlterTable { object: Table, name: ObjectName { name: "t",  }, if_exists: true, actions: [AddColumn { if_not_exists: true, column: ColumnDef { name: "a", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, constraints: [ColumnConstraint { kind: Default(Number("1")), deferrable: Not }],  } }, DropColumn { name: "b", cascade: true }, SetDefault { column: "c", default: Some(Number("2")) }, SetNotNull { column: "d",  }, SetType { column: "e", ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, using: Some(Cast { expr: Column(ColumnRef { parts: ["e"],  }), ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  } }) }, AddConstraint(TableConstraint { name: Some("f"), kind: Unique { columns: ["g"],  }, deferrable: InitiallyImmediate,  }), DropConstraint { name: "h", if_exists: true,  }, RowSecurity(true), ForceRowSecurity(false), OwnerTo("current_user"), SetOptions([("x", Some("y")), ("z", None)]), NoOp("REPLICA IDENTITY"), EnableTrigger ] })
            AlterTable(AlterTable { object: Table, name: ObjectName { name: "t",  }, actions: [AddIdentity { column: "a", options: SequenceOptions { max_value: Some(None), start: Some(1), cache: Some(1), sequence_name: Some((Some("s"), "q")) } }] })
            AlterTable(AlterTable { object: Table, name: ObjectName { name: "t",  }, actions: [RenameColumn { from: "a", to: "b" }] })
            AlterTable(AlterTable { object: Table, name: ObjectName { name: "t",  }, actions: [RenameConstraint { from: "a", to: "b" }] })
            AlterTable(AlterTable { object: View, name: ObjectName { name: "v",  }, actions: [SetSchema("s")] })
        "#]],
    );
}

#[test]
fn other_objects() {
    check(
        "
        create unique index concurrently if not exists i on t using gin (a, lower(b) desc nulls first, (c || d) collate \"C\" text_ops) include (e) where f
        create index on t (a)
        create or replace view v (a) with (security_invoker = true, x) as select 1 with local check option
        create recursive view v (a) as select 1
        create materialized view v as select 1 with no data
        create sequence s as bigint increment by -1 no minvalue maxvalue 5 start 1 cache 1 cycle owned by t.a
        alter sequence s restart owned by none
        create schema if not exists s authorization r
        create type t as enum ('a', 'b')
        alter type t add value if not exists 'c' before 'b'
        alter function f(int) set search_path = '' security definer
        create or replace function s.f(a int, b text default 'x', out c int, variadic d int[], double precision, e t.x%type) returns setof int language SQL immutable strict security definer set search_path to public, 'x' as $$ select 1 $$
        create function f() returns table (a int) return 1
        create procedure p() begin atomic insert into t values (1); select 2; end
        create constraint trigger t after insert or update of a on s.x deferrable referencing new table as n for each row when (new.a > 1) execute function f(1, 'a', b)
        create policy p on t as restrictive for select to a, public using (b) with check (c)
        alter policy p on t to current_user
        create user u with nosuperuser bypassrls password 'secret' in role a
        ",
        &expect![[r#"
            CreateIndex(CreateIndex { name: Some("i"), table: ObjectName { name: "t",  }, unique: true, if_not_exists: true, method: "gin", keys: [IndexKey { order: OrderBy { expr: Column(ColumnRef { parts: ["a"],  }),  },  }, IndexKey { order: OrderBy { expr: Call(Call { name: ObjectName { name: "lower",  }, args: [CallArg { value: Column(ColumnRef { parts: ["b"],  }),  }],  }), descending: true, nulls_first: Some(true) },  }, IndexKey { order: OrderBy { expr: Collate { expr: Binary { op: "||", left: Column(ColumnRef { parts: ["c"],  }), right: Column(ColumnRef { parts: ["d"],  }),  }, collation: ObjectName { name: "C",  } },  }, operator_class: Some(ObjectName { name: "text_ops",  }) }], include: ["e"], predicate: Some(Column(ColumnRef { parts: ["f"],  })) })
            CreateIndex(CreateIndex { table: ObjectName { name: "t",  }, method: "btree", keys: [IndexKey { order: OrderBy { expr: Column(ColumnRef { parts: ["a"],  }),  },  }],  })
            CreateView(CreateView { name: ObjectName { name: "v",  }, or_replace: true, columns: ["a"], options: [("security_invoker", Some("true")), ("x", None)], query: Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  }, check_option: true })
            CreateView(CreateView { name: ObjectName { name: "v",  }, columns: ["a"], query: Query { with: Some(With { recursive: true, ctes: [Cte { name: "v", columns: ["a"], body: Query(Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  }) }] }), body: Select(Select { projection: [Expr { expr: Column(ColumnRef { parts: ["a"],  }),  }], from: [Table { name: ObjectName { name: "v",  },  }],  }),  },  })
            CreateView(CreateView { name: ObjectName { name: "v",  }, materialized: true, query: Query { body: Select(Select { projection: [Expr { expr: Number("1"),  }],  }),  },  })
            CreateSequence(CreateSequence { name: ObjectName { name: "s",  }, options: SequenceOptions { data_type: Some("int8"), increment: Some(-1), min_value: Some(None), max_value: Some(Some(5)), start: Some(1), cache: Some(1), cycle: Some(true), owned_by: Some(Some((None, "t", "a"))),  } })
            AlterSequence(AlterSequence { name: ObjectName { name: "s",  }, options: SequenceOptions { restart: Some(None), owned_by: Some(None),  } })
            CreateSchema(CreateSchema { name: "s", if_not_exists: true, owner: Some("r") })
            CreateEnum(CreateEnum { name: ObjectName { name: "t",  }, labels: ["a", "b"] })
            AlterEnum(AlterEnum { name: ObjectName { name: "t",  }, action: AddValue { label: "c", if_not_exists: true, neighbour: Some((true, "b")) } })
            AlterTable(AlterTable { object: Function, name: ObjectName { name: "f",  }, actions: [SetOptions([("search_path", Some(""))]), Unsupported("ALTER FUNCTION … SECURITY DEFINER", 43..59)] })
            CreateFunction(CreateFunction { name: ObjectName { schema: Some("s"), name: "f",  }, or_replace: true, args: [FunctionArg { mode: In, name: Some("a"), ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  },  }, FunctionArg { mode: In, name: Some("b"), ty: TypeName { name: ObjectName { name: "text",  }, array_dimensions: 0,  }, default: Some(String("x")) }, FunctionArg { mode: Out, name: Some("c"), ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  },  }, FunctionArg { mode: Variadic, name: Some("d"), ty: TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 1,  },  }, FunctionArg { mode: In, ty: TypeName { name: ObjectName { name: "float8",  }, array_dimensions: 0,  },  }, FunctionArg { mode: In, name: Some("e"), ty: TypeName { name: ObjectName { name: "t",  }, array_dimensions: 0, percent_column: Some("x") },  }], returns: Some(SetOf(TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  })), language: "sql", body: Text(" select 1 "), volatility: Immutable, strict: true, security_definer: true, settings: [("search_path", ["public", "x"])] })
            CreateFunction(CreateFunction { name: ObjectName { name: "f",  }, returns: Some(Table([("a", TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  })])), language: "sql", body: Return(Number("1")), volatility: Volatile,  })
            CreateFunction(CreateFunction { name: ObjectName { name: "p",  }, procedure: true, language: "sql", body: Atomic([Insert(Insert { table: ObjectName { name: "t",  }, source: Query(Query { body: Values([[Number("1")]]),  }),  }), Query(Query { body: Select(Select { projection: [Expr { expr: Number("2"),  }],  }),  })]), volatility: Volatile,  })
            CreateTrigger(CreateTrigger { name: "t", constraint: true, timing: After, events: [Insert, Update(["a"])], table: ObjectName { schema: Some("s"), name: "x",  }, for_each_row: true, new_table: Some("n"), when: Some(Binary { op: ">", left: Column(ColumnRef { parts: ["new", "a"],  }), right: Number("1"),  }), function: ObjectName { name: "f",  }, args: ["1", "a", "b"], deferrable: InitiallyImmediate })
            CreatePolicy(CreatePolicy { name: "p", table: ObjectName { name: "t",  }, command: Select, roles: ["a", "public"], using: Some(Column(ColumnRef { parts: ["b"],  })), check: Some(Column(ColumnRef { parts: ["c"],  })) })
            AlterPolicy(AlterPolicy { name: "p", table: ObjectName { name: "t",  }, roles: Some(["current_user"]),  })
            CreateRole(CreateRole { name: "u", login: Some(true), superuser: Some(false), bypass_rls: Some(true), member_of: ["a"], password: true })
        "#]],
    );
}

#[test]
fn privileges_comments_and_drops() {
    check(
        "
        grant select (a, b), insert on table s.t, u to a, public with grant option
        grant all privileges on all tables in schema s to a
        revoke grant option for execute on function f(int, text), g from a cascade
        grant usage on schema a, b to c
        grant all on database d to a
        grant a, b to c with admin option
        alter default privileges for role a in schema s revoke all on routines from public
        drop table if exists a, s.b cascade
        drop function f(int, out b text), g
        drop policy if exists p on s.t
        comment on column s.t.a is 'x'
        comment on policy p on t is null
        ",
        &expect![[r#"
            Grant(Grant { privileges: [Privilege { name: "select", columns: ["a", "b"] }, Privilege { name: "insert",  }], objects: Tables([ObjectName { schema: Some("s"), name: "t",  }, ObjectName { name: "u",  }]), roles: ["a", "public"], grant_option: true,  })
            Grant(Grant { objects: AllTables(["s"]), roles: ["a"],  })
            Grant(Grant { revoke: true, privileges: [Privilege { name: "execute",  }], objects: Functions([(ObjectName { name: "f",  }, Some([TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }, TypeName { name: ObjectName { name: "text",  }, array_dimensions: 0,  }])), (ObjectName { name: "g",  }, None)]), roles: ["a"], grant_option: true, cascade: true })
            Grant(Grant { privileges: [Privilege { name: "usage",  }], objects: Schemas(["a", "b"]), roles: ["c"],  })
            Grant(Grant { objects: Other("DATABASE"), roles: ["a"],  })
            Grant(Grant { objects: Roles(["a", "b"]), roles: ["c"], grant_option: true,  })
            AlterDefaultPrivileges(AlterDefaultPrivileges { for_roles: ["a"], schemas: ["s"], grant: Grant { revoke: true, objects: Default("functions"), roles: ["public"],  } })
            Drop(Drop { object: Table, names: [ObjectName { name: "a",  }, ObjectName { schema: Some("s"), name: "b",  }], if_exists: true, cascade: true, arguments: [None, None] })
            Drop(Drop { object: Function, names: [ObjectName { name: "f",  }, ObjectName { name: "g",  }], arguments: [Some([TypeName { name: ObjectName { name: "int4",  }, array_dimensions: 0,  }]), None] })
            Drop(Drop { object: Policy, names: [ObjectName { name: "p",  }], if_exists: true, table: Some(ObjectName { schema: Some("s"), name: "t",  }), arguments: [None] })
            Comment(Comment { object: Column, name: ObjectName { schema: Some("s"), name: "t",  }, column: Some("a"), text: Some("x") })
            Comment(Comment { object: Policy, name: ObjectName { name: "p",  }, table: Some(ObjectName { name: "t",  }),  })
        "#]],
    );
}

#[test]
fn sessions_and_what_is_known_by_name() {
    check(
        "
        begin isolation level serializable, read only
        rollback to savepoint a
        set local search_path to \"$user\", public
        set statement_timeout = 0
        set role none
        set time zone 'utc'
        set transaction read only
        reset all
        show time zone
        do language plpgsql $$ begin end $$
        create extension if not exists \"uuid-ossp\" with schema extensions
        notify pgrst, 'reload schema'
        alter domain d owner to x
        vacuum full t
        create domain d as int
        copy t from stdin
        merge into t using s on true when matched then delete
        create event trigger e on ddl_command_start execute function f()
        alter system set a = b
        set constraints all deferred
        explain select 1
        ",
        &expect![[r#"
            Transaction(Begin { read_only: true })
            Transaction(RollbackTo("a"))
            Set(SetVariable { name: "search_path", local: true, value: Some(["$user", "public"]) })
            Set(SetVariable { name: "statement_timeout", value: Some(["0"]) })
            Set(SetVariable { name: "role", value: Some(["none"]) })
            Set(SetVariable { name: "timezone", value: Some(["utc"]) })
            Set(SetVariable { name: "transaction_read_only", local: true, value: Some(["on"]) })
            Set(SetVariable { name: "all",  })
            Show("timezone")
            Do { language: "plpgsql", body: " begin end " }
            NoOp("CREATE EXTENSION uuid-ossp")
            NoOp("NOTIFY pgrst")
            NoOp("ALTER … OWNER TO")
            NoOp("VACUUM")
            Unsupported { what: "CREATE DOMAIN", hint: Some("Use the base type, with a CHECK constraint on each column."),  }
            Unsupported { what: "COPY", hint: Some("Use INSERT; pg_dump --inserts writes a dump in this way."),  }
            Unsupported { what: "MERGE", hint: Some("Use INSERT … ON CONFLICT DO UPDATE."),  }
            Unsupported { what: "CREATE EVENT TRIGGER",  }
            Unsupported { what: "ALTER SYSTEM",  }
            Unsupported { what: "SET CONSTRAINTS", hint: Some("Declare the constraint DEFERRABLE INITIALLY DEFERRED."),  }
            Unsupported { what: "EXPLAIN",  }
        "#]],
    );
}

fn check(table: &str, expected: &Expect) {
    let mut actual = String::new();
    for line in super::lines(table) {
        let tree = match statement(line) {
            Ok(tree) => brief(&format!("{tree:?}")),
            Err(error) => format!("{line}: {error}"),
        };
        actual.push_str(&tree);
        actual.push('\n');
    }
    expected.assert_eq(&actual);
}

/// Without `field: None`, `field: []`, `field: false` and spans.
fn brief(debug: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in debug.split_inclusive(", ") {
        parts.push(part);
    }
    let mut text = parts.concat();
    for empty in ["None", "[]", "false"] {
        while let Some(found) = find_field(&text, |value| value == empty) {
            text.replace_range(found, "");
        }
    }
    while let Some(found) = find_field(&text, is_span) {
        text.replace_range(found, "");
    }
    text.replace(", }", " }")
        .replace("{  }", "")
        .replace("{ }", "")
}

/// The range of the first `name: value` with its comma, whose value is such.
fn find_field(text: &str, wanted: impl Fn(&str) -> bool) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    while let Some(colon) = text[from..].find(": ").map(|at| at + from) {
        let value = colon + 2;
        let end = text[value..]
            .find([',', ' '])
            .map_or(text.len(), |at| at + value);
        if wanted(&text[value..end]) {
            let name = text[..colon].rfind([' ', '{']).map_or(0, |at| at + 1);
            let comma = usize::from(text[end..].starts_with(", ")) * 2;
            return Some(name..end + comma);
        }
        from = value;
    }
    None
}

fn is_span(value: &str) -> bool {
    value.split_once("..").is_some_and(|(start, end)| {
        !start.is_empty()
            && start
                .bytes()
                .chain(end.bytes())
                .all(|byte| byte.is_ascii_digit())
    })
}
