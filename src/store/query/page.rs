//! Pages of a list, by key or by offset.

use sea_orm::sea_query::Expr;

use crate::{
    domain::{
        error::Result,
        offset_page::{OffsetPage, OffsetPageArgs},
        page::{PageArgs, Rows},
    },
    store::{
        db::database::Db,
        query::{
            count::count_rows,
            field::ListedEntity,
            rows::{self, read_row, read_rows},
            selection::{RowRange, Selection, matching, select},
        },
    },
};

/// A page of the whole table by key.
pub(crate) async fn keyset_page<E: ListedEntity>(
    db: &Db,
    args: &PageArgs<E::Field>,
) -> Result<Rows<E::Model>> {
    let select = select::<E>(db.dialect(), &args.into(), None);
    let rows = read_rows(db, select, read_row).await?;
    Ok(rows::page(rows, args.range.size))
}

/// A page by offset of the rows of one parent or of the whole table, and how many there are.
pub(crate) async fn offset_page<E: ListedEntity>(
    db: &Db,
    args: &OffsetPageArgs<E::Field>,
    parent: Option<Expr>,
) -> Result<OffsetPage<E::Model>> {
    // Databases take no larger number.
    let [limit, offset] = [args.limit, args.offset].map(|n| Ord::min(n, i64::MAX.unsigned_abs()));
    let selection = Selection {
        filter: &args.filter,
        order: &args.order,
        range: RowRange::Offset { limit, offset },
    };
    let dialect = db.dialect();
    let found = if limit == 0 {
        Vec::new()
    } else {
        let select = select::<E>(dialect, &selection, parent.clone());
        read_rows(db, select, read_row).await?
    };
    let total = match found.len() as u64 {
        // The page reached the end of the list, so no count is needed.
        n if 0 < n && n < limit => offset + n,
        0 if limit > 0 && offset == 0 => 0,
        _ => count_rows(db, matching::<E>(dialect, &selection, parent)).await?,
    };
    let rows = rows::page(found, limit).rows;
    Ok(OffsetPage { rows, total })
}
