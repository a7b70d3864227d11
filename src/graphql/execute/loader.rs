//! Every key by which rows are loaded, and its one store call.
//!
//! All that one level of a query asks for is loaded by one statement. The resolvers of a level run in one task, so
//! whoever asks first waits until a turn of that task has brought no further keys, and then asks the store for all.
//! (async-graphql's `DataLoader` waits for a timer instead: a millisecond a level, and a level that takes longer is torn in two.)

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::OnceCell, task::yield_now};

use crate::{
    domain::{
        build::BuildField,
        error::Result,
        filter::Filter,
        id::{BuildId, BuilderId, StepId},
        page::{PageArgs, Rows},
        step::StepsArgs,
    },
    graphql::{
        execute::budget::Budget,
        schema::{build::Build, builder::Builder, step::Step},
    },
    store::{build, builder, builder_tag, db::database::Db, step},
};

/// Keys that are gathered until they are loaded together.
struct PendingBatch<K, V> {
    asked: Mutex<PendingKeys<K>>,
    values: OnceCell<Result<HashMap<K, V>>>,
}

struct PendingKeys<K> {
    keys: HashSet<K>,
    times: usize,
}

/// Gathers keys of one kind.
struct KeyedLoader<K, V>(Mutex<Option<Arc<PendingBatch<K, V>>>>);

impl<K, V> Default for KeyedLoader<K, V> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: Eq + Hash + Clone, V: Clone> KeyedLoader<K, V> {
    async fn load<F>(&self, key: K, fetch: impl FnOnce(Vec<K>) -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        let batch = {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = open.get_or_insert_with(|| {
                Arc::new(PendingBatch {
                    asked: Mutex::new(PendingKeys {
                        keys: HashSet::new(),
                        times: 0,
                    }),
                    values: OnceCell::new(),
                })
            });
            let mut asked = batch.asked();
            asked.keys.insert(key.clone());
            asked.times += 1;
            drop(asked);
            batch.clone()
        };
        // If the one who loads is dropped, the next in line takes over.
        let load = batch.values.get_or_init(|| async {
            let mut known = 0;
            while known < batch.asked().times {
                known = batch.asked().times;
                yield_now().await;
            }
            let keys = {
                let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if open.as_ref().is_some_and(|o| Arc::ptr_eq(o, &batch)) {
                    *open = None;
                }
                // Copied, not taken: if this future is dropped, the next in line needs them.
                batch.asked().keys.iter().cloned().collect()
            };
            fetch(keys).await
        });
        match load.await {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<K, V> PendingBatch<K, V> {
    fn asked(&self) -> MutexGuard<'_, PendingKeys<K>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type BuildsKey = (BuilderId, Arc<PageArgs<BuildField>>);
type CountKey = (BuilderId, Filter<BuildField>);
type StepsKey = (BuildId, Arc<StepsArgs>);

/// The loaders of one operation.
pub(crate) struct Loaders {
    db: Db,
    budget: Arc<Budget>,
    builders: KeyedLoader<BuilderId, Builder>,
    builders_by_name: KeyedLoader<String, Builder>,
    tags: KeyedLoader<BuilderId, Vec<String>>,
    builds: KeyedLoader<BuildId, Build>,
    builds_by_number: KeyedLoader<(BuilderId, i32), Build>,
    builds_of: KeyedLoader<BuildsKey, Rows<Build>>,
    build_counts: KeyedLoader<CountKey, u64>,
    steps: KeyedLoader<StepId, Step>,
    steps_of: KeyedLoader<StepsKey, Vec<Step>>,
}

impl Loaders {
    pub(crate) fn new(db: Db, budget: Budget) -> Self {
        Self {
            db,
            budget: Arc::new(budget),
            builders: KeyedLoader::default(),
            builders_by_name: KeyedLoader::default(),
            tags: KeyedLoader::default(),
            builds: KeyedLoader::default(),
            builds_by_number: KeyedLoader::default(),
            builds_of: KeyedLoader::default(),
            build_counts: KeyedLoader::default(),
            steps: KeyedLoader::default(),
            steps_of: KeyedLoader::default(),
        }
    }

    /// What this operation may still take.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) async fn builder(&self, id: BuilderId) -> Result<Option<Builder>> {
        let fetch = |ids: Vec<_>| self.rows(async move { builder::by_ids(&self.db, &ids).await });
        self.builders.load(id, fetch).await
    }

    pub(crate) async fn builder_by_name(&self, name: String) -> Result<Option<Builder>> {
        let fetch =
            |names: Vec<_>| self.rows(async move { builder::by_names(&self.db, &names).await });
        self.builders_by_name.load(name, fetch).await
    }

    pub(crate) async fn tags(&self, id: BuilderId) -> Result<Vec<String>> {
        let fetch = |ids: Vec<_>| {
            self.budget.read(
                async move { builder_tag::of_builders(&self.db, &ids).await },
                lists,
            )
        };
        Ok(self.tags.load(id, fetch).await?.unwrap_or_default())
    }

    pub(crate) async fn build(&self, id: BuildId) -> Result<Option<Build>> {
        let fetch = |ids: Vec<_>| self.rows(async move { build::by_ids(&self.db, &ids).await });
        self.builds.load(id, fetch).await
    }

    pub(crate) async fn build_by_number(
        &self,
        builderid: BuilderId,
        number: i32,
    ) -> Result<Option<Build>> {
        let fetch =
            |keys: Vec<_>| self.rows(async move { build::by_numbers(&self.db, &keys).await });
        self.builds_by_number.load((builderid, number), fetch).await
    }

    pub(crate) async fn builds_of(
        &self,
        id: BuilderId,
        args: Arc<PageArgs<BuildField>>,
    ) -> Result<Rows<Build>> {
        let fetch = |keys: Vec<BuildsKey>| {
            by_args(keys, |args, ids| async move {
                let read = build::pages_of(&self.db, &args, &ids);
                let rows = |pages: &HashMap<_, Rows<_>>| pages.values().map(|p| p.rows.len()).sum();
                let pages = self.budget.read(read, rows).await?;
                Ok(pages
                    .into_iter()
                    .map(|(id, page)| (id, page.map()))
                    .collect())
            })
        };
        let found = self.builds_of.load((id, args), fetch).await?;
        Ok(found.unwrap_or_default())
    }

    pub(crate) async fn build_count(
        &self,
        id: BuilderId,
        filter: Filter<BuildField>,
    ) -> Result<u64> {
        let fetch = |keys: Vec<CountKey>| {
            by_args(keys, |filter, ids| async move {
                let count = build::counts_of(&self.db, &filter, &ids);
                self.budget.read(count, |_| 0).await
            })
        };
        let found = self.build_counts.load((id, filter), fetch).await?;
        Ok(found.unwrap_or(0))
    }

    pub(crate) async fn step(&self, id: StepId) -> Result<Option<Step>> {
        let fetch = |ids: Vec<_>| self.rows(async move { step::by_ids(&self.db, &ids).await });
        self.steps.load(id, fetch).await
    }

    pub(crate) async fn steps_of(&self, id: BuildId, args: Arc<StepsArgs>) -> Result<Vec<Step>> {
        let fetch = |keys: Vec<StepsKey>| {
            by_args(keys, |args, ids| async move {
                let most = self.budget.most_rows();
                let read = step::of_builds(&self.db, &args, &ids, most);
                let lists = self.budget.read(read, lists).await?;
                Ok(lists
                    .into_iter()
                    .map(|(id, rows)| (id, wrap_list(rows)))
                    .collect())
            })
        };
        let found = self.steps_of.load((id, args), fetch).await?;
        Ok(found.unwrap_or_default())
    }

    /// Rows by their keys.
    async fn rows<K: Eq + Hash, R, T: From<R>>(
        &self,
        read: impl Future<Output = Result<HashMap<K, R>>>,
    ) -> Result<HashMap<K, T>> {
        Ok(wrap(self.budget.read(read, HashMap::len).await?))
    }
}

/// How many rows there are in lists.
fn lists<K, R>(lists: &HashMap<K, Vec<R>>) -> usize {
    lists.values().map(Vec::len).sum()
}

fn wrap<K: Eq + Hash, R, T: From<R>>(rows: HashMap<K, R>) -> HashMap<K, T> {
    rows.into_iter()
        .map(|(key, row)| (key, row.into()))
        .collect()
}

fn wrap_list<R, T: From<R>>(rows: Vec<R>) -> Vec<T> {
    rows.into_iter().map(T::from).collect()
}

/// One statement for each set of arguments: two aliases with other arguments are two questions.
async fn by_args<P, A, V, F>(
    keys: Vec<(P, A)>,
    fetch: impl Fn(A, Vec<P>) -> F,
) -> Result<HashMap<(P, A), V>>
where
    P: Eq + Hash,
    A: Eq + Hash + Clone,
    F: Future<Output = Result<HashMap<P, V>>>,
{
    let mut parents_by_args: HashMap<A, Vec<P>> = HashMap::new();
    for (parent, args) in keys {
        parents_by_args.entry(args).or_default().push(parent);
    }
    let mut found = HashMap::new();
    for (args, parents) in parents_by_args {
        let values = fetch(args.clone(), parents).await?;
        found.extend(
            values
                .into_iter()
                .map(|(parent, value)| ((parent, args.clone()), value)),
        );
    }
    Ok(found)
}
