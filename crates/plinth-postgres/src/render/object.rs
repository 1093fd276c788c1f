//! Objects, their embeds and spreads.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Query, Statement};
use plinth_sql::print::{self, ident, literal};
use plinth_sql::shape::{Embed, EmbedShape, Field, FieldValue};
use plinth_sql::types::json::write_json_string;

use super::params::Params;
use super::source;

/// Longest name of a column, in bytes. Longer ones are cut by the server.
const LONGEST_NAME: usize = 63;
/// Most entries in one call of `concat_ws`: a function takes 100 arguments.
const MOST_TERMS: usize = 90;

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// By `row_to_json`, from a row whose columns are called like the entries. Embeds are values of type `json`.
    ///
    /// 1,000 rows of 8 columns took 2.7 ms, spelled out 3.3 ms; with 5,000 embedded rows 9.9 ms against 10.9 ms.
    Rows,
    /// As text, entry by entry: for keys that no column can have, and where null entries are left out. Embeds are values of
    /// type `text`.
    ///
    /// `json_strip_nulls` would reach into values of type `json` and change their spaces, and took 4.5 ms where this takes 3.5.
    Spelled {
        /// Entries that are null are left out.
        strip: bool,
    },
}

impl Style {
    /// The fastest that can write these fields and all that is embedded in them.
    pub(super) fn of(fields: &[Field], strip: bool) -> Style {
        if strip || !are_names(fields) {
            Style::Spelled { strip }
        } else {
            Style::Rows
        }
    }
}

fn are_names(fields: &[Field]) -> bool {
    fields.iter().all(|field| match &field.value {
        FieldValue::Column(_) => is_name(&field.key),
        FieldValue::Embed(embed) => {
            let has_key = matches!(embed.shape, EmbedShape::Many | EmbedShape::One);
            (!has_key || is_name(&field.key)) && are_names(&embed.fetch.fields)
        }
    })
}

fn is_name(key: &str) -> bool {
    (1..=LONGEST_NAME).contains(&key.len()) && !key.contains('\0')
}

/// Writes the objects of one document.
pub(super) struct Objects<'p, 'v> {
    style: Style,
    params: &'p mut Params<'v>,
    /// How many sources of rows have a name, the document's own among them.
    sources: usize,
}

/// An object for each row: `SELECT value FROM from`.
pub(super) struct Object {
    /// It, as the style writes it: something that may stand before `::`.
    pub(super) value: String,
    /// What it is made from.
    pub(super) from: String,
}

/// An object under construction.
struct Parts<'f> {
    entries: Vec<Entry<'f>>,
    /// The rows, and what is joined to them for spreads.
    from: String,
}

struct Entry<'f> {
    key: &'f str,
    value: String,
    /// The value is JSON of type `text` already.
    spelled: bool,
}

/// Related rows: `FROM from`, where they go by `alias`.
struct Child {
    alias: String,
    from: String,
}

impl<'p, 'v> Objects<'p, 'v> {
    /// For a document whose own rows have their name.
    pub(super) fn new(style: Style, params: &'p mut Params<'v>) -> Objects<'p, 'v> {
        Objects {
            style,
            params,
            sources: 1,
        }
    }

    /// The objects that `fields` make of the rows `from` something, which go by `alias`.
    pub(super) fn of(
        &mut self,
        fields: &[Field],
        alias: &str,
        from: String,
    ) -> Result<Object, SqlError> {
        let mut parts = Parts {
            entries: Vec::with_capacity(fields.len()),
            from,
        };
        self.entries(fields, alias, &mut parts)?;
        let Parts { entries, from } = parts;
        Ok(match self.style {
            Style::Rows => {
                let columns: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{} AS {}", entry.value, ident(entry.key)))
                    .collect();
                let columns = columns.join(", ");
                Object {
                    // An entry may be called `object` as well, hence the star.
                    value: "pg_catalog.row_to_json(object.*)".to_owned(),
                    from: format!("{from} CROSS JOIN LATERAL (SELECT {columns}) AS object"),
                }
            }
            Style::Spelled { strip } => Object {
                value: match strip {
                    true => without_nulls(&entries),
                    false => with_nulls(&entries),
                },
                from,
            },
        })
    }

    fn entries<'f>(
        &mut self,
        fields: &'f [Field],
        alias: &str,
        parts: &mut Parts<'f>,
    ) -> Result<(), SqlError> {
        for field in fields {
            match &field.value {
                FieldValue::Column(place) => parts.entries.push(Entry {
                    key: &field.key,
                    value: source::column(alias, *place),
                    spelled: false,
                }),
                FieldValue::Embed(embed) => self.embed(&field.key, embed, alias, parts)?,
            }
        }
        Ok(())
    }

    /// The entry, or for spreads the entries, of an embed in an object of the rows called `parent`.
    fn embed<'f>(
        &mut self,
        key: &'f str,
        embed: &'f Embed,
        parent: &str,
        parts: &mut Parts<'f>,
    ) -> Result<(), SqlError> {
        let fields = &embed.fetch.fields;
        match embed.shape {
            EmbedShape::Many | EmbedShape::One => {
                let Child { alias, from } = self.child(embed, parent)?;
                let Object { value, from } = self.of(fields, &alias, from)?;
                let rows = format!("(SELECT {value} FROM {from})");
                let value = match (embed.shape, self.style) {
                    (EmbedShape::One, _) => rows,
                    (_, Style::Rows) => format!("pg_catalog.array_to_json(ARRAY{rows})"),
                    (_, Style::Spelled { .. }) => {
                        format!("('[' || pg_catalog.array_to_string(ARRAY{rows}, ',') || ']')")
                    }
                };
                parts.entries.push(Entry {
                    key,
                    value,
                    spelled: self.style != Style::Rows,
                });
            }
            EmbedShape::SpreadOne => {
                // Embeds of the spread row stand in the parent's object, so that they are empty rather than null without one.
                let Child { alias, from } = self.child(embed, parent)?;
                parts.from += &format!(" LEFT JOIN LATERAL {from} ON TRUE");
                self.entries(fields, &alias, parts)?;
            }
            EmbedShape::SpreadMany if fields.is_empty() => {}
            EmbedShape::SpreadMany => {
                let child = self.child(embed, parent)?;
                self.arrays(fields, child, parts)?;
            }
        }
        Ok(())
    }

    /// One array an entry, all in the same order.
    fn arrays<'f>(
        &mut self,
        fields: &'f [Field],
        child: Child,
        parts: &mut Parts<'f>,
    ) -> Result<(), SqlError> {
        let arrays = self.alias();
        let mut columns = Vec::with_capacity(fields.len());
        for (number, field) in fields.iter().enumerate() {
            let FieldValue::Column(place) = &field.value else {
                return Err(SqlError::new("PGRST127", "Feature not implemented")
                    .detail("Embedding inside a to-many spread is not supported"));
            };
            // Values that are arrays themselves would be taken together, were they not JSON before.
            let json = format!(
                "pg_catalog.to_json({})",
                source::column(&child.alias, *place)
            );
            let array = format!("pg_catalog.array_to_json(pg_catalog.array_agg({json}))");
            columns.push(format!("coalesce({array}, '[]')"));
            parts.entries.push(Entry {
                key: &field.key,
                value: source::column(&arrays, number),
                spelled: false,
            });
        }
        let rows = format!("(SELECT {} FROM {})", columns.join(", "), child.from);
        let rows = source::named(&rows, &arrays, columns.len());
        parts.from += &format!(" CROSS JOIN LATERAL {rows}");
        Ok(())
    }

    /// The rows of an embed, its first parameters being columns of the rows called `parent`.
    fn child(&mut self, embed: &Embed, parent: &str) -> Result<Child, SqlError> {
        let fetch = &embed.fetch;
        let bound: Vec<Expr> = embed
            .bind
            .iter()
            .map(|place| Expr::qualified(parent, place.to_string()))
            .collect();
        let mut statement = fetch.statement.clone();
        self.params.place(&mut statement, &fetch.params, &bound)?;
        let Statement::Query(query) = statement else {
            return Err(SqlError::new("XX000", "an embed must be a query"));
        };
        let text = match embed.shape {
            EmbedShape::Many | EmbedShape::SpreadMany => print::query(&query),
            EmbedShape::One | EmbedShape::SpreadOne => first_row(*query),
        };
        let alias = self.alias();
        let from = source::named(&format!("({text})"), &alias, source::width(&fetch.fields));
        Ok(Child { alias, from })
    }

    fn alias(&mut self) -> String {
        let alias = format!("plinth_{}", self.sources);
        self.sources += 1;
        alias
    }
}

/// A query for the first of its rows. Only with a limit is a joined row found for one parent after the other, in their order.
fn first_row(mut query: Query) -> String {
    if query.limit.is_some() {
        let text = print::query(&query);
        return format!("SELECT * FROM ({text}) AS found LIMIT 1");
    }
    query.limit = Some(Expr::Number("1".to_owned()));
    print::query(&query)
}

/// `('{"a":' || a || ',"b":' || b || '}')`.
fn with_nulls(entries: &[Entry]) -> String {
    let mut out = "(".to_owned();
    for (number, entry) in entries.iter().enumerate() {
        let before = if number == 0 { "{" } else { "," };
        let key = literal(&format!("{before}{}", json_key(entry.key)));
        out += &format!("{key} || coalesce({}, 'null') || ", entry.json());
    }
    out += if entries.is_empty() { "'{}')" } else { "'}')" };
    out
}

/// `('{' || concat_ws(',', '"a":' || a, '"b":' || b) || '}')`: a null makes its term null, and null terms are skipped.
fn without_nulls(entries: &[Entry]) -> String {
    let terms: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} || {}", literal(&json_key(entry.key)), entry.json()))
        .collect();
    format!("('{{' || {} || '}}')", joined(&terms))
}

fn joined(terms: &[String]) -> String {
    if terms.is_empty() {
        return "''".to_owned();
    }
    if terms.len() <= MOST_TERMS {
        return format!("pg_catalog.concat_ws(',', {})", terms.join(", "));
    }
    let groups: Vec<String> = terms
        .chunks(MOST_TERMS)
        .map(|group| format!("nullif({}, '')", joined(group)))
        .collect();
    joined(&groups)
}

/// `"key":`.
fn json_key(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len() + 3);
    write_json_string(&mut out, key);
    out.push(b':');
    String::from_utf8_lossy(&out).into_owned()
}

impl Entry<'_> {
    /// The value as JSON of type `text`; null stays null.
    fn json(&self) -> String {
        match self.spelled {
            true => self.value.clone(),
            false => format!("pg_catalog.to_json({})::text", self.value),
        }
    }
}
