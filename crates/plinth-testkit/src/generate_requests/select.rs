//! Select lists: columns, embeds and spreads.

use std::collections::BTreeSet;

use super::choice::{count, one, weighted};
use super::filters::Parameters;
use super::relations::{Relation, relations};
use super::requests::Maker;
use super::values::Ty;
use super::world::Source;

/// Embeds stand so deep at most.
const DEEPEST: u32 = 2;
/// Paths into documents, and the keys they get.
const PATHS: [(&str, &str); 6] = [
    ("->a", "a"),
    ("->>a", "a"),
    ("->b->c", "c"),
    ("->b->c->>0", "c"),
    ("->0", ""),
    ("->>ü", "ü"),
];
const NEW_KEYS: [&str; 4] = ["x", "label", "Größe", "y z"];
const ALIASES: [&str; 3] = ["e1", "kids", "Über"];

/// Where a select list stands.
pub(super) struct Level<'p> {
    /// What parameters about it begin with.
    pub(super) prefix: &'p str,
    pub(super) depth: u32,
    /// Whether it may hold embeds.
    pub(super) embeds: bool,
}

impl Level<'_> {
    /// Of the whole request.
    pub(super) fn top(embeds: bool) -> Level<'static> {
        Level {
            prefix: "",
            depth: 0,
            embeds,
        }
    }
}

impl Maker<'_> {
    /// The entries of a select list. What belongs to its embeds is added to the parameters.
    pub(super) fn select(
        &mut self,
        source: &Source,
        level: &Level<'_>,
        parameters: &mut Parameters,
    ) -> Vec<String> {
        let mut items = Vec::new();
        let mut used = BTreeSet::new();
        if self.shape.chance(25) {
            items.push("*".to_owned());
            used.extend(source.columns.iter().map(|column| column.name.clone()));
        } else {
            for _ in 0..count(&mut self.shape, 1, 4) {
                items.extend(self.column_item(source, &mut used));
            }
        }
        if !level.embeds || level.depth == DEEPEST {
            return items;
        }
        let relations = self.relations(source);
        let number = match level.depth {
            0 => weighted(&mut self.shape, &[(45, 0), (40, 1), (15, 2)]),
            _ => weighted(&mut self.shape, &[(65, 0), (35, 1)]),
        };
        for _ in 0..number {
            if !relations.is_empty() {
                let relation = one(&mut self.shape, &relations).clone();
                items.extend(self.embed(&relation, level, &mut used, parameters));
            }
        }
        items
    }

    fn relations(&self, source: &Source) -> Vec<Relation> {
        if !source.embeds {
            return Vec::new();
        }
        relations(&self.model.tables, source.table)
    }

    fn column_item(&mut self, source: &Source, used: &mut BTreeSet<String>) -> Option<String> {
        let column = one(&mut self.shape, &source.columns);
        let (mut text, mut key) = (column.name.clone(), column.name.clone());
        if column.ty == Ty::Jsonb && self.shape.chance(50) {
            let (path, last) = *one(&mut self.shape, &PATHS);
            text += path;
            if !last.is_empty() {
                last.clone_into(&mut key);
            }
        } else if column.ty == Ty::Texts && self.shape.chance(25) {
            text += self.shape.pick(&["->0", "->>1"]);
        } else if self.shape.chance(10) {
            text += &format!("::{}", self.shape.pick(column.ty.casts()));
        }
        if self.shape.chance(15) {
            self.shape.pick(&NEW_KEYS).clone_into(&mut key);
            text = format!("{key}:{text}");
        }
        used.insert(key).then_some(text)
    }

    fn embed(
        &mut self,
        relation: &Relation,
        level: &Level<'_>,
        used: &mut BTreeSet<String>,
        parameters: &mut Parameters,
    ) -> Option<String> {
        let form = weighted(&mut self.shape, &relation.forms);
        let target = self.model.source(relation.target);
        let bare = form.split('!').next().unwrap_or(&form).to_owned();
        let aliased = self.shape.chance(30) || used.contains(&bare);
        let alias = aliased.then(|| self.shape.pick(&ALIASES));
        let key = alias.map_or_else(|| bare.clone(), str::to_owned);
        if used.contains(&key) {
            return None;
        }
        let spread = self.shape.chance(if relation.one { 12 } else { 4 });
        let inner = if self.shape.chance(22) { "!inner" } else { "" };
        let (prefix, item) = if spread {
            let items = self.spread_items(&target, used).join(",");
            let prefix = format!("{}{bare}.", level.prefix);
            (prefix, format!("...{form}{inner}({items})"))
        } else {
            used.insert(key.clone());
            let prefix = format!("{}{key}.", level.prefix);
            let items = if self.shape.chance(6) {
                Vec::new()
            } else {
                let below = Level {
                    prefix: &prefix,
                    depth: level.depth + 1,
                    embeds: true,
                };
                self.select(&target, &below, parameters)
            };
            let alias = alias.map(|alias| format!("{alias}:")).unwrap_or_default();
            let items = items.join(",");
            (prefix, format!("{alias}{form}{inner}({items})"))
        };
        if self.shape.chance(35) {
            self.filters(parameters, &target, &prefix, 1);
        }
        if !relation.one && !spread {
            self.page_of_embed(&target, &prefix, parameters);
        }
        if level.depth == 0 && !spread && self.shape.chance(10) {
            let test = self.shape.pick(&["is.null", "not.is.null"]);
            parameters.push((key.clone(), vec![test.to_owned()]));
        }
        if level.depth == 0 && relation.one && !spread && self.shape.chance(12) {
            self.related_order = Some((key, target));
        }
        Some(item)
    }

    fn page_of_embed(&mut self, target: &Source, prefix: &str, parameters: &mut Parameters) {
        if self.shape.chance(40) {
            self.order(parameters, target, prefix, true);
        }
        if self.shape.chance(25) {
            let limit = count(&mut self.shape, 1, 3).to_string();
            parameters.push((format!("{prefix}limit"), vec![limit]));
        }
        if self.shape.chance(8) {
            parameters.push((format!("{prefix}offset"), vec!["1".to_owned()]));
        }
    }

    fn spread_items(&mut self, target: &Source, used: &mut BTreeSet<String>) -> Vec<String> {
        let mut items = Vec::new();
        for _ in 0..count(&mut self.shape, 1, 2) {
            let column = one(&mut self.shape, &target.columns);
            let key = format!("s_{}", used.len());
            items.push(format!("{key}:{}", column.name));
            used.insert(key);
        }
        items
    }
}
