//! Reads through the cache: what is kept needs no statement, and what is read is kept. The caller
//! is charged for the memory of both alike.

use std::{any::Any, collections::HashMap, hash::Hash, sync::Arc};

use crate::{
    domain::{
        build::BuildField,
        error::Result,
        filter::Filter,
        id::{BuildId, BuilderId, StepId},
        page::{PageArgs, Rows},
        step::{StepsArgs, by_number},
    },
    store::{
        build, builder, builder_tag,
        cache::{NewRow, Ticket, key::CacheKey},
        db::database::Db,
        row_bytes::RowBytes,
        step,
    },
};

/// Rows by what they were asked for.
type Found<K, T> = HashMap<K, Arc<T>>;

/// A read: what was kept, and what must be read.
struct CachedRead<'db, K, T, F> {
    db: &'db Db,
    key: F,
    found: Found<K, T>,
    missing: Vec<K>,
    /// Taken before anything is read.
    ticket: Option<Ticket>,
}

impl<'db, K, T, F> CachedRead<'db, K, T, F>
where
    K: Eq + Hash + Clone,
    T: CachedValue,
    F: Fn(&K) -> CacheKey,
{
    /// Takes what is kept.
    fn begin(db: &'db Db, asked: &[K], key: F) -> Result<Self> {
        let rows = db.cache.get::<T>(asked.iter().map(&key));
        let (mut found, mut missing) = (HashMap::with_capacity(asked.len()), Vec::new());
        let mut bytes = 0;
        for (asked, row) in asked.iter().zip(rows) {
            let Some((row, row_bytes)) = row else {
                missing.push(asked.clone());
                continue;
            };
            bytes += row_bytes;
            found.insert(asked.clone(), row);
        }
        db.hold_rows(bytes)?;
        let ticket = if missing.is_empty() {
            None
        } else {
            db.cache.ticket()
        };
        Ok(Self {
            db,
            key,
            found,
            missing,
            ticket,
        })
    }

    /// Adds what was read of the missing, and keeps it.
    fn finish(
        mut self,
        read: HashMap<K, T>,
        depends_on: impl Fn(&K, &T) -> Vec<CacheKey>,
    ) -> Found<K, T> {
        let read = read.into_iter().map(|(asked, row)| (asked, Arc::new(row)));
        let read: Vec<(K, Arc<T>)> = read.collect();
        if let Some(ticket) = self.ticket {
            let rows = read.iter().map(|(asked, row)| NewRow {
                key: (self.key)(asked),
                row: row.clone(),
                bytes: row.bytes(),
                depends_on: depends_on(asked, row),
            });
            self.db.cache.put(ticket, rows);
        }
        self.found.extend(read);
        self.found
    }

    fn is_done(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What is kept under one key.
trait CachedValue: Any + Send + Sync {
    /// What it takes in memory.
    fn bytes(&self) -> usize;
}

impl CachedValue for builder::Model {
    fn bytes(&self) -> usize {
        row_bytes(self)
    }
}

impl CachedValue for build::Model {
    fn bytes(&self) -> usize {
        row_bytes(self)
    }
}

impl CachedValue for step::Model {
    fn bytes(&self) -> usize {
        row_bytes(self)
    }
}

impl CachedValue for Vec<String> {
    fn bytes(&self) -> usize {
        self.iter().map(|tag| size_of::<String>() + tag.len()).sum()
    }
}

impl CachedValue for Vec<Arc<step::Model>> {
    fn bytes(&self) -> usize {
        self.iter().map(|row| row_bytes(&**row)).sum()
    }
}

impl CachedValue for Rows<Arc<build::Model>> {
    fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row_bytes(&**row)).sum()
    }
}

fn row_bytes<M: RowBytes>(row: &M) -> usize {
    size_of::<M>() + row.text_bytes()
}

/// The builders with these ids.
pub(crate) async fn builders(
    db: &Db,
    ids: &[BuilderId],
) -> Result<Found<BuilderId, builder::Model>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Builder(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let rows = builder::by_ids(db, &read.missing).await?;
    Ok(read.finish(rows, |_, _| Vec::new()))
}

/// The tags of these builders.
pub(crate) async fn tags(db: &Db, ids: &[BuilderId]) -> Result<Found<BuilderId, Vec<String>>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Tags(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let mut tags = builder_tag::of_builders(db, &read.missing).await?;
    for id in &read.missing {
        tags.entry(*id).or_default();
    }
    Ok(read.finish(tags, |_, _| Vec::new()))
}

/// The builds with these ids.
pub(crate) async fn builds(db: &Db, ids: &[BuildId]) -> Result<Found<BuildId, build::Model>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Build(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let rows = build::by_ids(db, &read.missing).await?;
    Ok(read.finish(rows, |_, _| Vec::new()))
}

/// The builds with these numbers of these builders.
pub(crate) async fn builds_by_number(
    db: &Db,
    numbers: &[(BuilderId, i32)],
) -> Result<Found<(BuilderId, i32), build::Model>> {
    let key = |(id, number): &(BuilderId, i32)| CacheKey::BuildNumber(*id, *number);
    let read = CachedRead::begin(db, numbers, key)?;
    if read.is_done() {
        return Ok(read.found);
    }
    let rows = build::by_numbers(db, &read.missing).await?;
    Ok(read.finish(rows, |_, row| vec![CacheKey::Build(row.id)]))
}

/// The same page of the builds of each of these builders; kept where only changes of those builds
/// change it.
pub(crate) async fn builds_of(
    db: &Db,
    args: &Arc<PageArgs<BuildField>>,
    ids: &[BuilderId],
) -> Result<Found<BuilderId, Rows<Arc<build::Model>>>> {
    let is_stable = |field| matches!(field, BuildField::Number | BuildField::Buildid);
    if !is_everything(&args.filter) || !args.order.iter().all(|(field, _)| is_stable(*field)) {
        let read = read_pages(db, args, ids).await?.into_iter();
        return Ok(read.map(|(id, page)| (id, Arc::new(page))).collect());
    }
    let key = |id: &BuilderId| CacheKey::BuildsPage(*id, args.clone());
    let read = CachedRead::begin(db, ids, key)?;
    if read.is_done() {
        return Ok(read.found);
    }
    let pages = read_pages(db, args, &read.missing).await?;
    Ok(read.finish(pages, |id, page: &Rows<Arc<build::Model>>| {
        let builds = page.rows.iter().map(|row| CacheKey::Build(row.id));
        builds.chain([CacheKey::BuildsOf(*id)]).collect()
    }))
}

async fn read_pages(
    db: &Db,
    args: &PageArgs<BuildField>,
    ids: &[BuilderId],
) -> Result<HashMap<BuilderId, Rows<Arc<build::Model>>>> {
    let mut read = build::pages_of(db, args, ids).await?;
    let pages = ids.iter().map(|id| {
        let page = read.remove(id).unwrap_or_default();
        (*id, page.map())
    });
    Ok(pages.collect())
}

/// The steps with these ids.
pub(crate) async fn steps(db: &Db, ids: &[StepId]) -> Result<Found<StepId, step::Model>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Step(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let rows = step::by_ids(db, &read.missing).await?;
    Ok(read.finish(rows, |_, _| Vec::new()))
}

/// As `step::of_builds`; kept where all steps are asked for in their usual order.
pub(crate) async fn steps_of(
    db: &Db,
    args: &StepsArgs,
    builds: &[BuildId],
    limit: u64,
) -> Result<Found<BuildId, Vec<Arc<step::Model>>>> {
    let is_usual = args.range.is_none() && is_everything(&args.filter) && args.order == by_number();
    if !is_usual {
        let lists = step::of_builds(db, args, builds, limit).await?.into_iter();
        return Ok(lists.map(|(id, rows)| (id, share(rows))).collect());
    }
    let mut read = CachedRead::begin(db, builds, |id| CacheKey::StepsOf(*id))?;
    let kept = read.found.values();
    let kept: usize = kept.map(|rows: &Arc<Vec<_>>| rows.len()).sum();
    let limit = limit.saturating_sub(kept as u64);
    if read.is_done() || limit == 0 {
        return Ok(read.found);
    }
    let mut lists = step::of_builds(db, args, &read.missing, limit).await?;
    let count: usize = lists.values().map(Vec::len).sum();
    // Where the limit was reached, a list may be cut.
    if count as u64 >= limit {
        read.ticket = None;
    }
    let lists = read.missing.iter().map(|id| {
        let rows = lists.remove(id).unwrap_or_default();
        (*id, share_rows(rows))
    });
    let lists = lists.collect();
    Ok(read.finish(lists, |_, rows| {
        rows.iter().map(|row| CacheKey::Step(row.id)).collect()
    }))
}

fn share(rows: Vec<step::Model>) -> Arc<Vec<Arc<step::Model>>> {
    Arc::new(share_rows(rows))
}

fn share_rows(rows: Vec<step::Model>) -> Vec<Arc<step::Model>> {
    rows.into_iter().map(Arc::new).collect()
}

fn is_everything<F>(filter: &Filter<F>) -> bool {
    matches!(filter, Filter::All(parts) if parts.is_empty())
}
