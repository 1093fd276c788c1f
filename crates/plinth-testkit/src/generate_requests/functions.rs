//! Functions to call, and triggers.

use plinth_sql::print::ident;

use super::choice::maybe;
use super::schema::{Column, Table, listed};
use super::values::Ty;
use crate::random::Random;

/// A function that requests may call.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    /// The table that it is about; of the one function that is about none, the first.
    pub(super) table: usize,
    pub(super) kind: Kind,
}

/// An argument of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) ty: Ty,
}

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Adds two numbers.
    Add,
    /// Gives rows of its table.
    Rows,
    /// Gives one row of its table.
    Row,
    /// Counts the rows of its table.
    Number,
    /// Gives texts.
    Texts,
    /// Gives rows of its own form.
    Groups,
    /// Changes rows of its table and gives them.
    Change,
}

impl Function {
    pub(super) fn writes(&self) -> bool {
        self.kind == Kind::Change
    }
}

/// The functions of a world, and triggers of some tables.
pub(super) fn functions(
    random: &mut Random,
    tables: &[Table],
    statements: &mut Vec<String>,
) -> Vec<Function> {
    statements.push(
        "create function add_up(a int, b int default 10) returns int language sql immutable\n  as $$ select a + b $$"
            .to_owned(),
    );
    let mut functions = vec![Function {
        name: "add_up".to_owned(),
        arguments: vec![argument("a", Ty::Int), argument("b", Ty::Int)],
        table: 0,
        kind: Kind::Add,
    }];
    for (place, table) in tables.iter().enumerate() {
        let mut making = Making {
            table,
            place,
            statements: &mut *statements,
            functions: &mut functions,
        };
        making.readers(random);
        making.writers(random);
    }
    functions
}

fn argument(name: &'static str, ty: Ty) -> Argument {
    Argument { name, ty }
}

/// The functions of one table under construction.
struct Making<'a> {
    table: &'a Table,
    place: usize,
    statements: &'a mut Vec<String>,
    functions: &'a mut Vec<Function>,
}

/// A function in words.
struct Reader {
    prefix: &'static str,
    arguments: Vec<Argument>,
    returns: String,
    body: String,
    kind: Kind,
}

impl Making<'_> {
    fn readers(&mut self, random: &mut Random) {
        let definer = maybe(random, 30, " security definer set search_path = 'public'");
        for reader in self.chosen_readers(random) {
            let name = format!("{}_{}", reader.prefix, self.table.word());
            let arguments: Vec<String> = reader
                .arguments
                .iter()
                .map(|argument| format!("{} {}", argument.name, argument.ty.sql()))
                .collect();
            self.statements.push(format!(
                "create function {name}({}) returns {} language sql stable{definer}\n  as $$ {} $$",
                arguments.join(", "),
                reader.returns,
                reader.body
            ));
            if random.chance(10) {
                self.statements.push(format!(
                    "revoke execute on function {name} from public, anon, authenticated"
                ));
            }
            self.functions.push(Function {
                name,
                arguments: reader.arguments,
                table: self.place,
                kind: reader.kind,
            });
        }
    }

    fn chosen_readers(&self, random: &mut Random) -> Vec<Reader> {
        let table = self.table;
        let (name, order) = (ident(&table.name), listed(&table.primary));
        let mut readers = Vec::new();
        if random.chance(45) {
            readers.push(Reader {
                prefix: "list",
                arguments: Vec::new(),
                returns: format!("setof {name}"),
                body: format!("select * from {name} order by {order}"),
                kind: Kind::Rows,
            });
        }
        if random.chance(35) {
            readers.push(Reader {
                prefix: "count",
                arguments: Vec::new(),
                returns: "bigint".to_owned(),
                body: format!("select count(*) from {name}"),
                kind: Kind::Number,
            });
        }
        if let Some(ty) = table.single_key()
            && random.chance(35)
        {
            readers.push(Reader {
                prefix: "find",
                arguments: vec![argument("k", ty)],
                returns: name.clone(),
                body: format!("select * from {name} where {order} = k"),
                kind: Kind::Row,
            });
        }
        if let Some(text) = self.text()
            && random.chance(40)
        {
            readers.push(Reader {
                prefix: "names_of",
                arguments: vec![argument("pattern", Ty::Text)],
                returns: "setof text".to_owned(),
                body: format!(
                    "select {text} from {name} where {text} ilike pattern order by {order}"
                ),
                kind: Kind::Texts,
            });
            readers.push(Reader {
                prefix: "rows_of",
                arguments: vec![argument("lowest", Ty::Int)],
                returns: "table (label text, size bigint)".to_owned(),
                body: format!(
                    "select {text}, count(*) from {name} group by {text} having count(*) >= lowest \
                     order by {text} nulls last"
                ),
                kind: Kind::Groups,
            });
        }
        readers
    }

    fn writers(&mut self, random: &mut Random) {
        let (name, word) = (ident(&self.table.name), self.table.word());
        let number = self.table.columns.iter().find(|column| self.counts(column));
        if let (Some(ty), Some(column)) = (self.table.single_key(), number)
            && random.chance(40)
        {
            let column = ident(&column.name);
            let definer = maybe(random, 25, " security definer");
            self.statements.push(format!(
                "create function bump_{word}(k {}, amount int default 1) returns setof {name} language plpgsql{definer}\n  \
                 as $$ begin\n    \
                 update {name} set {column} = coalesce({column}, 0) + amount where id = k;\n    \
                 if not found then raise exception 'no row %', k using errcode = 'P0002'; end if;\n    \
                 return query select * from {name} where id = k;\n  end $$",
                ty.sql()
            ));
            self.add_change("bump", vec![argument("k", ty), argument("amount", Ty::Int)]);
        }
        let Some(text) = self.text() else {
            return;
        };
        if random.chance(18) {
            self.statements.push(format!(
                "create function private.tidy_{word}() returns trigger language plpgsql\n  \
                 as $$ begin new.{text} := trim(new.{text}); return new; end $$"
            ));
            self.statements.push(format!(
                "create trigger tidy before insert or update on {name}\n  \
                 for each row execute function private.tidy_{word}()"
            ));
        }
        if random.chance(35) {
            let definer = maybe(random, 30, " security definer");
            self.statements.push(format!(
                "create function label_{word}(was text, becomes text) returns setof {name} language sql{definer}\n  \
                 as $$ update {name} set {text} = becomes where {text} = was returning * $$"
            ));
            self.add_change(
                "label",
                vec![argument("was", Ty::Text), argument("becomes", Ty::Text)],
            );
        }
    }

    fn add_change(&mut self, prefix: &str, arguments: Vec<Argument>) {
        self.functions.push(Function {
            name: format!("{prefix}_{}", self.table.word()),
            arguments,
            table: self.place,
            kind: Kind::Change,
        });
    }

    /// Its first column of text that is not generated.
    fn text(&self) -> Option<String> {
        let is_text = |column: &&Column| column.ty == Ty::Text && column.generated.is_none();
        let found = self.table.columns.iter().find(is_text);
        found.map(|column| ident(&column.name))
    }

    /// Whether it is a number that may be changed.
    fn counts(&self, column: &Column) -> bool {
        matches!(column.ty, Ty::Int | Ty::Bigint)
            && column.generated.is_none()
            && column.identity.is_none()
            && column.key.is_none()
            && !self.table.is_primary(&column.name)
    }
}
