//! `PUT`: one row, named by its primary key, inserted or replaced.

use super::write::{Upsert, WritePlan, insert_into};
use super::{Asked, Context};
use crate::body::{Payload, text_of};
use crate::error::Error;
use crate::preferences::Resolution;
use crate::request::{Comparison, Filter, Request, Test, Tree};

/// Plans `PUT`. The filters must be exactly one equality for each column of the primary key, and the body's one object must agree.
pub fn put(
    request: &Request,
    payload: &Payload,
    cx: &Context,
    asked: &Asked,
) -> Result<WritePlan, Error> {
    let relation = cx.relation(&request.name)?;
    if request.root.limit.is_some() || request.root.offset.is_some() {
        return Err(Error::PutPage);
    }
    let key = relation.primary_key();
    let filters = request
        .root
        .filters
        .iter()
        .map(equality)
        .collect::<Option<Vec<_>>>();
    let filters = filters.filter(|filters| !key.is_empty() && filters.len() == key.len());
    let filters = filters.ok_or(Error::PutFilters)?;
    let [row] = payload.rows.as_slice() else {
        return Err(Error::PutKey);
    };
    for column in key {
        let (_, wanted) = filters
            .iter()
            .find(|(name, _)| name == column)
            .ok_or(Error::PutFilters)?;
        let place = payload
            .columns
            .iter()
            .position(|name| name == column)
            .ok_or(Error::PutKey)?;
        let ty = &relation.column(column).ok_or(Error::PutFilters)?.ty.ty;
        let given = row
            .get(place)
            .map(|cell| text_of(cell, ty))
            .transpose()?
            .flatten();
        if given.as_deref() != Some(*wanted) {
            return Err(Error::PutKey);
        }
    }
    let upsert = Upsert {
        key,
        resolution: Resolution::MergeDuplicates,
    };
    insert_into(relation, Some(upsert), request, payload, cx, asked)
}

fn equality(tree: &Tree) -> Option<(&str, &str)> {
    match tree {
        Tree::Filter(Filter {
            field,
            negated: false,
            test: Test::Compare(Comparison::Eq, value),
        }) if field.path.is_empty() => Some((&field.name, value)),
        _ => None,
    }
}
