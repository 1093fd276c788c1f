//! What the engines are known to answer differently.

use anyhow::{Result, bail};

/// What worlds may hold beside that on which the engines agree. Each of these made them differ when it was last tried, is
/// left out so that what else differs is seen, and is switched on for good with its mending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Conditions that are `true` or `false` and no more. PostgreSQL drops what they stand beside, so that nobody is asked for
    /// privileges on what that reads.
    pub constant_policies: bool,
    /// Policies that ask a table whose policies may ask back. Which error comes first, the circle (42P17) or a missing
    /// privilege, differs.
    pub circles: bool,
    /// Functions that return one row and find none. PostgreSQL gives a row of nulls.
    pub row_functions: bool,
    /// `!inner` embeds, and filters by the presence of embeds, in the rows of a function that writes. The embedded engine does
    /// not call it where nothing can match.
    pub inner_embeds_of_calls: bool,
    /// Values that their type cannot read. PostgreSQL reads all of them before it looks at privileges or runs anything.
    pub faulty_values: bool,
    /// Embeds that show rows which the same request wrote. On PostgreSQL they show what was there before.
    pub embeds_of_what_is_written: bool,
    /// Embeds of tables that the caller may not read, in answers to writes. PostgreSQL refuses before it writes.
    pub refused_embeds_of_writes: bool,
    /// Values for columns that are always generated. Texts differ, and privileges come first or second.
    pub values_for_generated: bool,
    /// Inserts of several rows with keys that the database counts. When one is refused, the embedded engine has counted for all
    /// of them, PostgreSQL for those before it, and what follows has other keys.
    pub several_numbered_rows: bool,
    /// Upserts of several rows whose answers are compared in their order.
    pub order_of_upserts: bool,
    /// The description of the API. Defaults of columns that are no text are quoted or not.
    pub descriptions: bool,
}

impl Reach {
    /// Everything.
    pub const ALL: Reach = Reach {
        constant_policies: true,
        circles: true,
        row_functions: true,
        inner_embeds_of_calls: true,
        faulty_values: true,
        embeds_of_what_is_written: true,
        refused_embeds_of_writes: true,
        values_for_generated: true,
        several_numbered_rows: true,
        order_of_upserts: true,
        descriptions: true,
    };

    /// The fields of these names, with commas between; `all` for all of them.
    pub fn named(text: &str) -> Result<Reach> {
        let mut reach = Reach::default();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let field = match name {
                "all" => {
                    reach = Reach::ALL;
                    continue;
                }
                "constant_policies" => &mut reach.constant_policies,
                "circles" => &mut reach.circles,
                "row_functions" => &mut reach.row_functions,
                "inner_embeds_of_calls" => &mut reach.inner_embeds_of_calls,
                "faulty_values" => &mut reach.faulty_values,
                "embeds_of_what_is_written" => &mut reach.embeds_of_what_is_written,
                "refused_embeds_of_writes" => &mut reach.refused_embeds_of_writes,
                "values_for_generated" => &mut reach.values_for_generated,
                "several_numbered_rows" => &mut reach.several_numbered_rows,
                "order_of_upserts" => &mut reach.order_of_upserts,
                "descriptions" => &mut reach.descriptions,
                _ => bail!("worlds know nothing that is called `{name}`"),
            };
            *field = true;
        }
        Ok(reach)
    }

    /// So many values out of a hundred are none of their type.
    pub(super) fn faulty_percent(self) -> u64 {
        u64::from(self.faulty_values)
    }
}
