//! Documents as SQL: what a front end fetches, with all its embeds, as one statement for the server.
//!
//! The counterpart of the embedded engine's nested statements, made to give the same bytes. Text generation only: nothing
//! here talks to a server or knows a catalog. `GET /notes?select=id,tags(name)` becomes
//!
//! ```sql
//! SELECT pg_catalog.row_to_json(object.*)::text
//!   FROM (SELECT notes.id FROM public.notes AS notes ORDER BY notes.id NULLS LAST) AS plinth_0("0")
//!  CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, pg_catalog.array_to_json(ARRAY(
//!           SELECT pg_catalog.row_to_json(object.*)
//!             FROM (SELECT tags.name FROM public.tags AS tags WHERE tags.note_id = plinth_0."0") AS plinth_1("0")
//!            CROSS JOIN LATERAL (SELECT plinth_1."0" AS name) AS object)) AS tags) AS object
//! ```
//!
//! The order of the rows is that of the inner statement: nothing outside of it is sorted, filtered or grouped, and what is
//! joined laterally is found row by row. Names that begin with `plinth_` are taken.
//!
//! The session must have `standard_conforming_strings` on, `TimeZone` UTC and the default forms of dates, intervals and bytes.
//! It should have `jit` off: a thousand rows with two levels of embeds are estimated at 40,000 units, and from 100,000 on the server
//! would compile what is then done in milliseconds.

mod csv;
mod object;
mod params;
mod source;
mod upsert;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod write_tests;

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::print;
use plinth_sql::shape::{Argument, BodyFormat, Count, Fetch, FieldValue, Read};

use object::{Object, Objects, Style};
use params::Params;
use source::Source;

/// What the rows of the document's own statement go by.
const TOP: &str = "plinth_0";

/// One SQL statement whose rows are the entries of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The text. Its rows have one column of type text: an object, a scalar, or a line of CSV. A null adds nothing to the body.
    /// How many rows were read or affected is told by the command's tag in every case.
    pub(crate) sql: String,
    /// What `$1`, `$2`, … of the text stand for; each is used.
    pub(crate) params: Vec<Argument>,
    /// The first line of a CSV body. Every line after it begins with a line feed; no line feed ends the body.
    pub(crate) header: Option<String>,
    /// False when no body is wanted: it is empty then, and rows that come are only counted. Otherwise a body of JSON is
    /// an array even where no rows come.
    pub(crate) returns_rows: bool,
    /// Whether there is a second column, a boolean: that the row was inserted rather than updated. So it is for an upsert, even
    /// one whose body nobody wants. Of any other `INSERT` all affected rows are inserted ones.
    pub(crate) tells_inserted: bool,
    /// Whether it is an `INSERT`.
    pub(crate) inserts: bool,
}

/// A statement and the document that its rows become.
///
/// Fails with `0A000` for an embed in CSV, `PGRST127` for an embed in a to-many spread, `XX000` for an embed that is not a
/// query, `42P02` for a parameter without a value, and `22021` for a zero character in a value that has to be written out.
///
/// With `inline` values they are written into the text, and it has no parameters.
pub(crate) fn fetch(
    fetch: &Fetch,
    format: BodyFormat,
    inline: Option<&[Option<String>]>,
) -> Result<Rendered, SqlError> {
    let layout = Layout::of(fetch, format)?;
    let header = matches!(layout, Some(Layout::Csv(_))).then(|| csv::header(&fetch.fields));
    let returns_rows = layout.is_some();

    let mut params = Params::new(inline);
    let mut statement = fetch.statement.clone();
    params.place(&mut statement, &fetch.params, &[])?;
    let yields_rows = source::yields_rows(&statement);
    let tells_inserted = upsert::tell(&mut statement);
    let sql = match layout {
        Some(layout) if yields_rows => {
            document(fetch, layout, statement, tells_inserted, &mut params)?
        }
        Some(_) | None => without_body(statement, tells_inserted),
    };
    Ok(Rendered {
        sql,
        params: params.list,
        header,
        returns_rows,
        tells_inserted,
        inserts: matches!(fetch.statement, Statement::Insert(_)),
    })
}

/// A query that counts: one row with one `bigint`.
pub(crate) fn count(
    count: &Count,
    inline: Option<&[Option<String>]>,
) -> Result<Rendered, SqlError> {
    let mut params = Params::new(inline);
    let mut statement = Statement::Query(Box::new(count.query.clone()));
    params.place(&mut statement, &count.params, &[])?;
    Ok(Rendered {
        sql: print::statement(&statement),
        params: params.list,
        header: None,
        returns_rows: true,
        tells_inserted: false,
        inserts: false,
    })
}

/// The text of a read, for whoever counts what making it takes: an engine cannot be had without a server.
pub fn text_of(read: &Read) -> Result<String, SqlError> {
    Ok(fetch(&read.fetch, read.format, None)?.sql)
}

/// How rows are written.
enum Layout {
    /// Objects.
    Objects(Style),
    /// The column at this place.
    Scalars(usize),
    /// Lines of the columns at these places.
    Csv(Vec<usize>),
}

impl Layout {
    /// None for no body at all.
    fn of(fetch: &Fetch, format: BodyFormat) -> Result<Option<Layout>, SqlError> {
        let fields = &fetch.fields;
        Ok(Some(match format {
            BodyFormat::None => return Ok(None),
            _ if fields.is_empty() && format != BodyFormat::Json => return Ok(None),
            BodyFormat::Json => Layout::Objects(Style::of(fields, false)),
            BodyFormat::JsonNullsStripped => Layout::Objects(Style::of(fields, true)),
            BodyFormat::JsonScalars => {
                Layout::Scalars(match fields.first().map(|field| &field.value) {
                    Some(FieldValue::Column(place)) => *place,
                    _ => 0,
                })
            }
            BodyFormat::Csv => Layout::Csv(csv::places(fields)?),
        }))
    }
}

/// The statement with each of its rows as one text.
fn document(
    fetch: &Fetch,
    layout: Layout,
    statement: Statement,
    tells_inserted: bool,
    params: &mut Params<'_>,
) -> Result<String, SqlError> {
    let Source { with, from } = Source::of(statement);
    let told = |rows: &str| match tells_inserted {
        true => format!(", {rows}.{}", upsert::INSERTED),
        false => String::new(),
    };
    let rows = |width: usize| source::named(&from, TOP, width);
    let width = source::width(&fetch.fields);
    let (value, told, from) = match layout {
        Layout::Objects(style) => {
            let mut objects = Objects::new(style, params);
            let Object { value, from } = objects.of(&fetch.fields, TOP, rows(width))?;
            (format!("{value}::text"), told(TOP), from)
        }
        Layout::Scalars(place) => {
            let json = format!("pg_catalog.to_json({})", source::column(TOP, place));
            let value = format!("coalesce({json}::text, 'null')");
            (value, told(TOP), rows(width.max(place + 1)))
        }
        Layout::Csv(places) => (
            csv::line(places.len()),
            told(csv::LINE),
            csv::texts(&places, TOP, &told(TOP), &rows(width)),
        ),
    };
    Ok(format!("{with}SELECT {value}{told} FROM {from}"))
}

/// A statement whose rows nobody wants to see, or that has none to show.
fn without_body(statement: Statement, tells_inserted: bool) -> String {
    if !tells_inserted {
        return print::statement(&statement);
    }
    let Source { with, from } = Source::of(statement);
    format!("{with}SELECT NULL::text, {} FROM {from}", upsert::INSERTED)
}
