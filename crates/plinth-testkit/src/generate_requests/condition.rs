//! Conditions of policies and views, and the functions they call.

use plinth_sql::print::ident;

use super::choice::{maybe, one, weighted};
use super::schema::{Column, Key, Table, listed};
use super::values::Ty;
use crate::random::Random;

/// What conditions may speak about.
pub(super) struct Scene<'a> {
    pub(super) tables: &'a [Table],
    pub(super) helpers: &'a [Helper],
}

/// Two functions for policies, `private.my_WORD()` and `private.may_WORD(key)`, that tell the caller's rows of a table.
pub(super) struct Helper {
    table: usize,
    word: String,
    /// With their owner's rights. Otherwise the table's policies hold inside of them.
    definer: bool,
}

/// Makes the functions that policies may call.
pub(super) fn helpers(
    random: &mut Random,
    tables: &[Table],
    statements: &mut Vec<String>,
) -> Vec<Helper> {
    let definer = maybe(random, 50, " security definer");
    statements.push(format!(
        "create function private.allowed(who uuid) returns boolean language plpgsql stable{definer}\n  \
         as $$ begin if who is null then return false; end if; return who = auth.uid(); end $$"
    ));
    let mut helpers = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        let Some(ty) = table.single_key() else {
            continue;
        };
        if !table.has("owner") || !random.chance(70) {
            continue;
        }
        let definer = random.chance(70);
        let how = match definer {
            true => "stable security definer set search_path = ''",
            false => "stable",
        };
        let (word, ty, key) = (table.word().to_owned(), ty.sql(), &table.primary[0]);
        let name = format!("public.{}", ident(&table.name));
        statements.push(format!(
            "create function private.my_{word}() returns setof {ty} language sql {how}\n  \
             as $$ select {key} from {name} where owner = auth.uid() $$"
        ));
        statements.push(format!(
            "create function private.may_{word}(k {ty}) returns boolean language sql {how}\n  \
             as $$ select exists (select 1 from {name} x where x.{key} = k \
             and (x.owner is null or x.owner = auth.uid())) $$"
        ));
        helpers.push(Helper {
            table: place,
            word,
            definer,
        });
    }
    helpers
}

const ROLES: [&str; 4] = [
    "auth.uid() is not null",
    "auth.role() = 'authenticated'",
    "auth.role() <> 'anon'",
    "current_user <> 'anon'",
];
const CLAIMS: [&str; 7] = [
    "auth.jwt() ->> 'org' = 'red'",
    "coalesce((auth.jwt() ->> 'rank')::int, 0) > 2",
    "(auth.jwt() -> 'app_metadata' ->> 'admin')::boolean",
    "coalesce(auth.jwt() ->> 'org', 'none') <> 'blue'",
    "current_setting('request.jwt.claims', true)::jsonb ->> 'org' = 'red'",
    "auth.jwt() -> 'orgs' ? 'red'",
    "'red' in (select jsonb_array_elements_text(auth.jwt() -> 'orgs'))",
];
const OWNERS: [&str; 4] = [
    "owner = auth.uid()",
    "owner = auth.uid()",
    "(select auth.uid()) = owner",
    "owner::text = auth.jwt() ->> 'sub'",
];
const OWNERLESS: [&str; 3] = [
    "owner is null",
    "owner is not distinct from auth.uid()",
    "owner <> auth.uid()",
];

/// The kinds of conditions.
#[derive(Clone, Copy)]
enum Rule {
    True,
    False,
    Role,
    Claim,
    Owner,
    Ownerless,
    Procedure,
    Column,
    ExistsParent,
    InParents,
    ExistsChild,
    Mine,
    Theirs,
}

/// A condition on the rows of the table at this place.
pub(super) fn condition(
    random: &mut Random,
    scene: &Scene<'_>,
    place: usize,
    depth: u32,
) -> String {
    if depth > 0 && random.chance(18) {
        let left = condition(random, scene, place, 0);
        let right = condition(random, scene, place, 0);
        return weighted(
            random,
            &[
                (5, format!("({left} or {right})")),
                (4, format!("({left} and {right})")),
                (1, format!("not ({left})")),
            ],
        );
    }
    let within = Within::new(scene, place);
    let rule = weighted(random, &within.rules());
    within.write(random, scene, rule)
}

/// What conditions on one table can be made of.
struct Within<'a> {
    table: &'a Table,
    /// Columns to compare.
    plain: Vec<&'a Column>,
    /// Keys to other tables whose rows have owners.
    keys: Vec<&'a Key>,
    /// Keys of later tables to this one.
    children: Vec<(&'a Table, &'a Key)>,
    /// Helpers that tell of this table.
    own: Vec<&'a Helper>,
    /// Helpers that tell of what a key points to.
    far: Vec<(&'a Helper, &'a Key)>,
}

impl<'a> Within<'a> {
    fn new(scene: &Scene<'a>, place: usize) -> Within<'a> {
        let tables = scene.tables;
        let table = &tables[place];
        let owned = |key: &&Key| key.target != place && tables[key.target].has("owner");
        let later = tables.iter().skip(place + 1);
        let children = later.filter_map(|child| {
            let key = child.keys.iter().find(|key| key.target == place)?;
            Some((child, key))
        });
        // A helper with the caller's rights would ask the policies that call it; and it may be refused, for which rows is
        // not determined, unless everybody may read what it asks.
        let usable = || {
            let helpers = scene.helpers.iter();
            helpers.filter(move |helper| {
                helper.definer || (helper.table < place && tables[helper.table].plain)
            })
        };
        let far = usable().flat_map(|helper| {
            let keys = table.keys.iter();
            let fitting =
                keys.filter(move |key| key.target == helper.table && key.columns.len() == 1);
            fitting.map(move |key| (helper, key))
        });
        Within {
            table,
            plain: table
                .columns
                .iter()
                .filter(|column| column.ty != Ty::Uuid)
                .collect(),
            keys: table.keys.iter().filter(owned).collect(),
            children: children.collect(),
            own: usable().filter(|helper| helper.table == place).collect(),
            far: far.collect(),
        }
    }

    /// The kinds that are possible, by likelihood.
    fn rules(&self) -> Vec<(u64, Rule)> {
        let mut rules = vec![
            (3, Rule::True),
            (1, Rule::False),
            (2, Rule::Role),
            (2, Rule::Claim),
        ];
        if self.table.has("owner") {
            rules.extend([(8, Rule::Owner), (2, Rule::Ownerless), (2, Rule::Procedure)]);
        }
        if !self.plain.is_empty() {
            rules.push((6, Rule::Column));
        }
        if !self.keys.is_empty() {
            rules.extend([(4, Rule::ExistsParent), (3, Rule::InParents)]);
        }
        if !self.children.is_empty() {
            rules.push((1, Rule::ExistsChild));
        }
        if !self.own.is_empty() {
            rules.push((4, Rule::Mine));
        }
        if !self.far.is_empty() {
            rules.push((4, Rule::Theirs));
        }
        rules
    }

    fn write(&self, random: &mut Random, scene: &Scene<'_>, rule: Rule) -> String {
        match rule {
            Rule::True => "true".to_owned(),
            Rule::False => "false".to_owned(),
            Rule::Role => random.pick(&ROLES).to_owned(),
            Rule::Claim => random.pick(&CLAIMS).to_owned(),
            Rule::Owner => random.pick(&OWNERS).to_owned(),
            Rule::Ownerless => random.pick(&OWNERLESS).to_owned(),
            Rule::Procedure => "private.allowed(owner)".to_owned(),
            Rule::Column => {
                let column = random.pick(&self.plain);
                random
                    .pick(comparisons(column.ty))
                    .replace("{}", &ident(&column.name))
            }
            Rule::ExistsParent => {
                let key = random.pick(&self.keys);
                let parent = ident(&scene.tables[key.target].name);
                let more = random.pick(&[
                    " and p.owner = auth.uid()",
                    " and (p.owner is null or p.owner = auth.uid())",
                    "",
                ]);
                let on = self.joined("p", &key.target_columns, &key.columns);
                format!("exists (select 1 from {parent} p where {on}{more})")
            }
            Rule::InParents => {
                let key = random.pick(&self.keys);
                let parent = ident(&scene.tables[key.target].name);
                in_parents(random, key, &parent)
            }
            Rule::ExistsChild => {
                let (child, key) = one(random, &self.children);
                let on = self.joined("c", &key.columns, &key.target_columns);
                format!("exists (select 1 from {} c where {on})", ident(&child.name))
            }
            Rule::Mine => {
                let (word, key) = (&random.pick(&self.own).word, &self.table.primary[0]);
                let choices = [
                    format!("{key} in (select private.my_{word}())"),
                    format!("private.may_{word}({key})"),
                ];
                one(random, &choices).clone()
            }
            Rule::Theirs => {
                let (helper, key) = one(random, &self.far);
                let (word, column) = (&helper.word, ident(&key.columns[0]));
                let choices = [
                    format!("{column} in (select private.my_{word}())"),
                    format!("private.may_{word}({column})"),
                    format!("{column} = any (array(select private.my_{word}()))"),
                ];
                one(random, &choices).clone()
            }
        }
    }

    /// That columns of another table, called `alias`, are equal to these here.
    fn joined(&self, alias: &str, there: &[String], here: &[String]) -> String {
        let table = ident(&self.table.name);
        let terms: Vec<String> = there
            .iter()
            .zip(here)
            .map(|(there, here)| format!("{alias}.{} = {table}.{}", ident(there), ident(here)))
            .collect();
        terms.join(" and ")
    }
}

fn in_parents(random: &mut Random, key: &Key, parent: &str) -> String {
    let columns = listed(&key.columns);
    if key.columns.len() == 1 {
        let more = random.pick(&[
            " where p.owner = auth.uid()",
            " where p.owner is not null",
            "",
        ]);
        let there = ident(&key.target_columns[0]);
        return format!("{columns} in (select p.{there} from {parent} p{more})");
    }
    let there: Vec<String> = key
        .target_columns
        .iter()
        .map(|column| format!("p.{}", ident(column)))
        .collect();
    format!(
        "({columns}) in (select {} from {parent} p where p.owner = auth.uid())",
        there.join(", ")
    )
}

/// Tests of a column, which stands where `{}` is.
fn comparisons(ty: Ty) -> &'static [&'static str] {
    match ty {
        Ty::Int => &["{} > 0", "{} <> 7", "{} is not null", "{} % 2 = 1"],
        Ty::Bigint => &["{} < 1000", "{} is not null"],
        Ty::Text => &[
            "{} like '%a%'",
            "{} <> ''",
            "length({}) > 1",
            "{} = auth.jwt() ->> 'org'",
            "lower({}) = 'ann'",
        ],
        Ty::Bool => &["{}", "not {}", "{} is not true"],
        Ty::Uuid => &["{} is not null"],
        Ty::Numeric => &["{} >= 0", "{} < 100"],
        Ty::Timestamptz => &["{} < '2024-03-01'", "{} is not null"],
        Ty::Date => &["{} > '1980-01-01'", "{} is null"],
        Ty::Jsonb => &[
            "{} ? 'a'",
            "{} ->> 'a' = 'x'",
            "{} @> '{\"a\": 1}'",
            "jsonb_typeof({}) = 'object'",
        ],
        Ty::Texts => &["'a' = any ({})", "{} @> '{a}'", "cardinality({}) > 0"],
        Ty::Level => &["{} <> 'high'", "{} >= 'mid'"],
    }
}
