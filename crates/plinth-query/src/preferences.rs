//! The `Prefer` header.

use crate::error::Error;

/// What the client prefers; the first word on each matter counts, across repeated headers too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `resolution=`.
    pub resolution: Option<Resolution>,
    /// `missing=`.
    pub missing: Option<Missing>,
    /// `return=`.
    pub returns: Option<Return>,
    /// `count=`.
    pub count: Option<Count>,
    /// `handling=`.
    pub handling: Option<Handling>,
    /// `max-affected=`. Counts only under strict handling.
    pub max_affected: Option<u64>,
}

/// What an upsert does with a row that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the header names it")]
pub enum Resolution {
    MergeDuplicates,
    IgnoreDuplicates,
}

/// What a key missing from an object means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the header names it")]
pub enum Missing {
    Default,
    Null,
}

/// What a write answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the header names it")]
pub enum Return {
    Minimal,
    Representation,
    HeadersOnly,
}

/// How rows are counted. There are no estimates here: all three count exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the header names it")]
pub enum Count {
    Exact,
    Planned,
    Estimated,
}

/// What unknown preferences are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the header names it")]
pub enum Handling {
    Strict,
    Lenient,
}

impl Preferences {
    /// Reads the values of all `Prefer` headers. Unknown ones are an error under `handling=strict`, else ignored.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Preferences, Error> {
        let mut found = Preferences::default();
        let mut invalid = Vec::new();
        for word in headers
            .into_iter()
            .flat_map(|header| header.split(','))
            .map(str::trim)
        {
            if !word.is_empty() && !found.take(word) {
                invalid.push(word.to_owned());
            }
        }
        if found.is_strict() && !invalid.is_empty() {
            return Err(Error::InvalidPreferences { invalid });
        }
        Ok(found)
    }

    fn take(&mut self, word: &str) -> bool {
        match word {
            "resolution=merge-duplicates" => {
                first(&mut self.resolution, Resolution::MergeDuplicates);
            }
            "resolution=ignore-duplicates" => {
                first(&mut self.resolution, Resolution::IgnoreDuplicates);
            }
            "missing=default" => first(&mut self.missing, Missing::Default),
            "missing=null" => first(&mut self.missing, Missing::Null),
            "return=minimal" => first(&mut self.returns, Return::Minimal),
            "return=representation" => first(&mut self.returns, Return::Representation),
            "return=headers-only" => first(&mut self.returns, Return::HeadersOnly),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "handling=strict" => first(&mut self.handling, Handling::Strict),
            "handling=lenient" => first(&mut self.handling, Handling::Lenient),
            // Known, and not applied: this server lets nobody choose how a transaction ends or how times are shown.
            "tx=commit" | "tx=rollback" => {}
            _ if word.starts_with("timezone=") => {}
            _ => match word.strip_prefix("max-affected=").map(str::parse) {
                Some(Ok(rows)) => first(&mut self.max_affected, rows),
                _ => return false,
            },
        }
        true
    }

    /// `handling=strict`.
    pub fn is_strict(&self) -> bool {
        self.handling == Some(Handling::Strict)
    }

    /// The bound of `max-affected`, which only strict handling enforces.
    pub fn most_affected(&self) -> Option<u64> {
        self.max_affected.filter(|_| self.is_strict())
    }

    /// The `Preference-Applied` header. `used` says which of those only some requests use were used.
    pub(crate) fn applied(&self, used: Used) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        let mut push = |word: Option<&str>| words.extend(word.map(str::to_owned));
        push(
            self.resolution
                .filter(|_| used.resolution)
                .map(|it| match it {
                    Resolution::MergeDuplicates => "resolution=merge-duplicates",
                    Resolution::IgnoreDuplicates => "resolution=ignore-duplicates",
                }),
        );
        push(self.missing.filter(|_| used.missing).map(|it| match it {
            Missing::Default => "missing=default",
            Missing::Null => "missing=null",
        }));
        push(self.returns.filter(|_| used.returns).map(|it| match it {
            Return::Minimal => "return=minimal",
            Return::Representation => "return=representation",
            Return::HeadersOnly => "return=headers-only",
        }));
        push(self.count.map(|it| match it {
            Count::Exact => "count=exact",
            Count::Planned => "count=planned",
            Count::Estimated => "count=estimated",
        }));
        push(self.handling.map(|it| match it {
            Handling::Strict => "handling=strict",
            Handling::Lenient => "handling=lenient",
        }));
        let bound = self.most_affected().filter(|_| used.max_affected);
        push(bound.map(|rows| format!("max-affected={rows}")).as_deref());
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// Which preferences a request used.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each preference")]
pub(crate) struct Used {
    pub(crate) resolution: bool,
    pub(crate) missing: bool,
    pub(crate) returns: bool,
    pub(crate) max_affected: bool,
}

fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}
