//! Reads through the cache: what is kept needs no statement, and what is read is kept. The caller
//! is charged for the memory of both alike.

use std::{any::Any, collections::HashMap, hash::Hash, sync::Arc};

use crate::{
    domain::{
        build::BuildField,
        error::{Error, Result},
        filter::Filter,
        id::{BuildId, BuilderId, StepId},
        page::{PageArgs, Rows},
        step::StepsArgs,
    },
    store::{
        build, builder, builder_tag,
        cache::{NewRow, Ticket, key::CacheKey},
        db::database::Db,
        row_bytes::RowBytes,
        step,
    },
};

/// A batch that finds so many steps is left to each request alone, whose limit it may exceed.
const MAX_STEPS_TOGETHER: u64 = 4_000;

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

    /// Reads the missing, together with what other requests miss, or else alone.
    async fn read<R>(&self, read: impl Fn(Db, Vec<K>) -> R) -> Result<Found<K, T>>
    where
        K: Send + Sync + 'static,
        R: Future<Output = Result<HashMap<K, T>>>,
    {
        if let Some(rows) = self.look_up(&read).await? {
            return Ok(rows);
        }
        Ok(shared(read(self.db.clone(), self.missing.clone()).await?))
    }

    /// The missing, read together with what other requests miss; `None` where that is not done.
    async fn look_up<R>(&self, read: impl Fn(Db, Vec<K>) -> R) -> Result<Option<Found<K, T>>>
    where
        K: Send + Sync + 'static,
        R: Future<Output = Result<HashMap<K, T>>>,
    {
        let Some(lookups) = &self.db.lookups else {
            return Ok(None);
        };
        let found = lookups.find(&self.missing, |turn, keys| {
            read(self.db.looking_up(turn), keys)
        });
        let Some((rows, time)) = found.await else {
            return Ok(None);
        };
        self.db.charge(time);
        self.db
            .hold_rows(rows.values().map(|row| row.bytes()).sum())?;
        Ok(Some(rows))
    }

    /// Adds what was read of the missing, and keeps it.
    fn finish(
        mut self,
        read: Found<K, T>,
        depends_on: impl Fn(&K, &T) -> Vec<CacheKey>,
    ) -> Found<K, T> {
        if let Some(ticket) = self.ticket {
            let rows = read.iter().map(|(asked, row)| NewRow {
                key: (self.key)(asked),
                row: row.clone(),
                bytes: row.bytes(),
                depends_on: || depends_on(asked, row),
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
    let rows = read.read(|db, keys| async move { builder::by_ids(&db, &keys).await });
    let rows = rows.await?;
    Ok(read.finish(rows, |_, _| Vec::new()))
}

/// The tags of these builders.
pub(crate) async fn tags(db: &Db, ids: &[BuilderId]) -> Result<Found<BuilderId, Vec<String>>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Tags(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let tags = read.read(|db, ids| async move {
        let mut tags = builder_tag::of_builders(&db, &ids).await?;
        for id in ids {
            tags.entry(id).or_default();
        }
        Ok(tags)
    });
    let tags = tags.await?;
    Ok(read.finish(tags, |_, _| Vec::new()))
}

/// The builds with these ids.
pub(crate) async fn builds(db: &Db, ids: &[BuildId]) -> Result<Found<BuildId, build::Model>> {
    let read = CachedRead::begin(db, ids, |id| CacheKey::Build(*id))?;
    if read.is_done() {
        return Ok(read.found);
    }
    let rows = read.read(|db, keys| async move { build::by_ids(&db, &keys).await });
    let rows = rows.await?;
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
    let rows = read.read(|db, keys| async move { build::by_numbers(&db, &keys).await });
    let rows = rows.await?;
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
        return Ok(shared(read_pages(db, args, ids).await?));
    }
    let key = |id: &BuilderId| CacheKey::BuildsPage(*id, args.clone());
    let read = CachedRead::begin(db, ids, key)?;
    if read.is_done() {
        return Ok(read.found);
    }
    let pages = read_pages(db, args, &read.missing).await?;
    Ok(
        read.finish(shared(pages), |id, page: &Rows<Arc<build::Model>>| {
            let builds = page.rows.iter().map(|row| CacheKey::Build(row.id));
            builds.chain([CacheKey::BuildsOf(*id)]).collect()
        }),
    )
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
    let rows = read.read(|db, keys| async move { step::by_ids(&db, &keys).await });
    let rows = rows.await?;
    Ok(read.finish(rows, |_, _| Vec::new()))
}

/// As `step::of_builds`; kept where all steps are asked for in their usual order.
pub(crate) async fn steps_of(
    db: &Db,
    args: &StepsArgs,
    builds: &[BuildId],
    limit: u64,
) -> Result<Found<BuildId, Vec<Arc<step::Model>>>> {
    if *args != StepsArgs::all() {
        let lists = step::of_builds(db, args, builds, limit).await?;
        return Ok(shared(lists_of(builds, lists)));
    }
    let mut read = CachedRead::begin(db, builds, |id| CacheKey::StepsOf(*id))?;
    let kept = read.found.values();
    let kept: usize = kept.map(|rows: &Arc<Vec<_>>| rows.len()).sum();
    let limit = limit.saturating_sub(kept as u64);
    if read.is_done() || limit == 0 {
        return Ok(read.found);
    }
    let together = read.look_up(|db, ids| async move {
        let lists = step::of_builds(&db, args, &ids, MAX_STEPS_TOGETHER).await?;
        if count_steps(&lists) as u64 >= MAX_STEPS_TOGETHER {
            return Err(Error::Busy);
        }
        Ok(lists_of(&ids, lists))
    });
    let within = |lists: &Found<_, Vec<_>>| {
        lists.values().map(|rows| rows.len() as u64).sum::<u64>() < limit
    };
    let lists = if let Some(lists) = together.await?.filter(within) {
        lists
    } else {
        let lists = step::of_builds(db, args, &read.missing, limit).await?;
        // Where the limit was reached, a list may be cut.
        if count_steps(&lists) as u64 >= limit {
            read.ticket = None;
        }
        shared(lists_of(&read.missing, lists))
    };
    Ok(read.finish(lists, |_, rows| {
        rows.iter().map(|row| CacheKey::Step(row.id)).collect()
    }))
}

fn count_steps(lists: &HashMap<BuildId, Vec<step::Model>>) -> usize {
    lists.values().map(Vec::len).sum()
}

/// A list for each of these builds, with no step where there are none. A build may be repeated.
fn lists_of(
    builds: &[BuildId],
    lists: HashMap<BuildId, Vec<step::Model>>,
) -> HashMap<BuildId, Vec<Arc<step::Model>>> {
    let share = |rows: Vec<_>| rows.into_iter().map(Arc::new).collect();
    let lists = lists.into_iter().map(|(id, rows)| (id, share(rows)));
    let mut lists: HashMap<BuildId, Vec<_>> = lists.collect();
    for id in builds {
        lists.entry(*id).or_default();
    }
    lists
}

/// Rows as all who asked for them have them.
fn shared<K: Eq + Hash, T>(rows: HashMap<K, T>) -> Found<K, T> {
    let rows = rows.into_iter();
    rows.map(|(key, row)| (key, Arc::new(row))).collect()
}

fn is_everything<F>(filter: &Filter<F>) -> bool {
    matches!(filter, Filter::All(parts) if parts.is_empty())
}
