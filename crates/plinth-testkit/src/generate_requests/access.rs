//! Row-level security, policies and grants.

use plinth_sql::print::ident;

use super::choice::{maybe, one, weighted};
use super::known::Reach;
use super::schema::{Column, Key, Table, listed};
use super::values::Ty;
use crate::random::Random;

/// What conditions may speak about.
pub(super) struct Scene<'a> {
    pub(super) tables: &'a [Table],
    pub(super) helpers: &'a [Helper],
    pub(super) reach: Reach,
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
             as $$ select exists (select 1 from {name} x where x.{key} = k and (x.owner is null or x.owner = auth.uid())) $$"
        ));
        helpers.push(Helper {
            table: place,
            word,
            definer,
        });
    }
    helpers
}

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
    match weighted(random, &within.rules(scene)) {
        Rule::True => "true".to_owned(),
        Rule::False => "false".to_owned(),
        Rule::Role => random
            .pick(&[
                "auth.uid() is not null",
                "auth.role() = 'authenticated'",
                "auth.role() <> 'anon'",
                "current_user <> 'anon'",
            ])
            .to_owned(),
        Rule::Claim => random.pick(&CLAIMS).to_owned(),
        Rule::Owner => random
            .pick(&[
                "owner = auth.uid()",
                "owner = auth.uid()",
                "(select auth.uid()) = owner",
                "owner::text = auth.jwt() ->> 'sub'",
            ])
            .to_owned(),
        Rule::Ownerless => random
            .pick(&[
                "owner is null",
                "owner is not distinct from auth.uid()",
                "owner <> auth.uid()",
            ])
            .to_owned(),
        Rule::Procedure => "private.allowed(owner)".to_owned(),
        Rule::Column => {
            let column = one(random, &within.plain);
            let template = random.pick(column_conditions(column.ty));
            template.replace("{}", &ident(&column.name))
        }
        Rule::ExistsParent => within.exists_parent(random, scene),
        Rule::InParents => within.in_parents(random, scene),
        Rule::ExistsChild => within.exists_child(random, scene),
        Rule::Mine => {
            let word = &one(random, &within.own).word;
            let key = &within.table.primary[0];
            random.bits_choice(&[
                format!("{key} in (select private.my_{word}())"),
                format!("private.may_{word}({key})"),
            ])
        }
        Rule::Theirs => {
            let (helper, key) = one(random, &within.far);
            let (word, column) = (&helper.word, ident(&key.columns[0]));
            random.bits_choice(&[
                format!("{column} in (select private.my_{word}())"),
                format!("private.may_{word}({column})"),
                format!("{column} = any (array(select private.my_{word}()))"),
            ])
        }
    }
}
