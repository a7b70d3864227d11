//! How an operation reads the rows of each noun: by which keys, and by which store function.
//!
//! Every read fails with the store's errors, or once the operation's budget is spent.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join;
use parking_lot::Mutex;

use crate::{
    domain::{
        build::BuildField,
        builder_stats::{NewestBuilds, StepSummary},
        error::Result,
        filter::Filter,
        id::{BuildId, BuilderId, LogId, StepId},
        page::{PageArgs, Rows},
        step::StepsArgs,
    },
    graphql::execute::{
        budget::Budget,
        keyed_loader::{KeyedLoader, fetch_by_arguments},
    },
    store::{
        build, builder,
        builder_stats::{self, BuildSet},
        cache::read as cache,
        db::database::Db,
        log, step,
    },
};

// Arguments are in an `Arc`, since loaders clone their keys.
type BuildsKey = (BuilderId, Arc<PageArgs<BuildField>>);
type BuildCountKey = (BuilderId, Filter<BuildField>);
type NewestBuildsKey = (BuilderId, NewestBuilds);
type StepsKey = (BuildId, Arc<StepsArgs>);
type StepsOfBuilds = HashMap<BuildId, Arc<Vec<Arc<step::Model>>>>;

/// The loaders of one operation. Rows are in an `Arc`, since each caller gets a clone of its value.
pub(crate) struct Loaders {
    db: Db,
    budget: Arc<Budget>,
    builders: KeyedLoader<BuilderId, Arc<builder::Model>>,
    builders_by_name: KeyedLoader<String, Arc<builder::Model>>,
    tags: KeyedLoader<BuilderId, Arc<Vec<String>>>,
    builds: KeyedLoader<BuildId, Arc<build::Model>>,
    builds_by_number: KeyedLoader<(BuilderId, i32), Arc<build::Model>>,
    builds_of: KeyedLoader<BuildsKey, Arc<Rows<Arc<build::Model>>>>,
    build_counts: KeyedLoader<BuildCountKey, u64>,
    newest_builds: KeyedLoader<NewestBuildsKey, Arc<Vec<build::Model>>>,
    steps: KeyedLoader<StepId, Arc<step::Model>>,
    steps_of: KeyedLoader<StepsKey, Arc<Vec<Arc<step::Model>>>>,
    /// All steps of builds, to be read while the builds are.
    early_steps: KeyedLoader<BuildId, Arc<Vec<Arc<step::Model>>>>,
    /// Those that were.
    kept_steps: Mutex<StepsOfBuilds>,
    current_steps: KeyedLoader<BuildId, Arc<step::Model>>,
    step_sums: KeyedLoader<BuildSet, Arc<Vec<StepSummary>>>,
    logs: KeyedLoader<LogId, Arc<log::Model>>,
    logs_of: KeyedLoader<StepId, Vec<Arc<log::Model>>>,
    logs_by_slug: KeyedLoader<(StepId, String), Arc<log::Model>>,
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
            newest_builds: KeyedLoader::default(),
            steps: KeyedLoader::default(),
            steps_of: KeyedLoader::default(),
            early_steps: KeyedLoader::default(),
            kept_steps: Mutex::default(),
            current_steps: KeyedLoader::default(),
            step_sums: KeyedLoader::default(),
            logs: KeyedLoader::default(),
            logs_of: KeyedLoader::default(),
            logs_by_slug: KeyedLoader::default(),
        }
    }

    /// The database, read on the operation's account.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// The operation's budget, shared with a subscription's stream, which renews it for each event.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// A page of a whole table, charged to the budget.
    pub(crate) async fn page<M>(
        &self,
        read: impl Future<Output = Result<Rows<M>>>,
    ) -> Result<Rows<Arc<M>>> {
        let page = self.budget.read(read, |page| page.rows.len()).await?;
        Ok(page.map())
    }

    pub(crate) async fn builder(&self, id: BuilderId) -> Result<Option<Arc<builder::Model>>> {
        let fetch =
            |ids: Vec<_>| self.counted(async move { cache::builders(&self.db, &ids).await });
        self.builders.load(id, fetch).await
    }

    pub(crate) async fn builder_by_name(
        &self,
        name: String,
    ) -> Result<Option<Arc<builder::Model>>> {
        let fetch =
            |names: Vec<_>| self.rows(async move { builder::by_names(&self.db, &names).await });
        self.builders_by_name.load(name, fetch).await
    }

    pub(crate) async fn tags(&self, id: BuilderId) -> Result<Vec<String>> {
        let fetch = |ids: Vec<_>| {
            let read = async move { cache::tags(&self.db, &ids).await };
            self.budget.read(read, total_length)
        };
        let tags = self.tags.load(id, fetch).await?;
        Ok(tags.map(Arc::unwrap_or_clone).unwrap_or_default())
    }

    pub(crate) async fn build(&self, id: BuildId) -> Result<Option<Arc<build::Model>>> {
        let fetch = |ids: Vec<_>| self.counted(async move { cache::builds(&self.db, &ids).await });
        self.builds.load(id, fetch).await
    }

    /// The same where all its steps will be asked for. From a database server both are read at
    /// once: the way there takes longer than the reading.
    pub(crate) async fn build_with_steps(&self, id: BuildId) -> Result<Option<Arc<build::Model>>> {
        if self.db.lookups.is_none() {
            return self.build(id).await;
        }
        let fetch = |ids: Vec<BuildId>| async move {
            let (args, max_rows) = (StepsArgs::all(), self.budget.max_rows_to_read());
            let read = cache::steps_of(&self.db, &args, &ids, max_rows);
            // They count where they are asked for.
            let steps = self.budget.read(read, |_| 0).await?;
            let may_be_cut = total_length(&steps) as u64 >= max_rows;
            Ok(if may_be_cut { HashMap::new() } else { steps })
        };
        let (build, steps) = join(self.build(id), self.early_steps.load(id, fetch)).await;
        // What fails is read again where it is asked for, and told there.
        if let Ok(Some(steps)) = steps {
            self.kept_steps.lock().insert(id, steps);
        }
        build
    }

    pub(crate) async fn build_by_number(
        &self,
        builderid: BuilderId,
        number: i32,
    ) -> Result<Option<Arc<build::Model>>> {
        let fetch = |keys: Vec<_>| {
            self.counted(async move { cache::builds_by_number(&self.db, &keys).await })
        };
        self.builds_by_number.load((builderid, number), fetch).await
    }

    /// A page of a builder's builds.
    pub(crate) async fn builds_of(
        &self,
        id: BuilderId,
        args: Arc<PageArgs<BuildField>>,
    ) -> Result<Rows<Arc<build::Model>>> {
        let fetch = |keys: Vec<BuildsKey>| {
            fetch_by_arguments(keys, |args, ids| async move {
                let read = cache::builds_of(&self.db, &args, &ids);
                let rows =
                    |pages: &HashMap<_, Arc<Rows<_>>>| pages.values().map(|p| p.rows.len()).sum();
                self.budget.read(read, rows).await
            })
        };
        let found = self.builds_of.load((id, args), fetch).await?;
        Ok(found.map(Arc::unwrap_or_clone).unwrap_or_default())
    }

    /// How many of a builder's builds match.
    pub(crate) async fn build_count(
        &self,
        id: BuilderId,
        filter: Filter<BuildField>,
    ) -> Result<u64> {
        let fetch = |keys: Vec<BuildCountKey>| {
            fetch_by_arguments(keys, |filter, ids| async move {
                let count = build::counts_of(&self.db, &filter, &ids);
                // A count returns no rows; only the deadline bounds it.
                self.budget.read(count, |_| 0).await
            })
        };
        let found = self.build_counts.load((id, filter), fetch).await?;
        Ok(found.unwrap_or(0))
    }

    /// A builder's newest builds, from the newest on.
    pub(crate) async fn newest_builds(
        &self,
        id: BuilderId,
        newest: NewestBuilds,
    ) -> Result<Arc<Vec<build::Model>>> {
        let fetch = |keys: Vec<NewestBuildsKey>| {
            fetch_by_arguments(keys, |newest, ids| async move {
                let read = builder_stats::newest_builds(&self.db, newest, &ids);
                let count = |lists: &HashMap<_, Vec<_>>| lists.values().map(Vec::len).sum();
                let lists = self.budget.read(read, count).await?.into_iter();
                Ok(lists.map(|(id, rows)| (id, Arc::new(rows))).collect())
            })
        };
        let found = self.newest_builds.load((id, newest), fetch).await?;
        Ok(found.unwrap_or_default())
    }

    pub(crate) async fn step(&self, id: StepId) -> Result<Option<Arc<step::Model>>> {
        let fetch = |ids: Vec<_>| self.counted(async move { cache::steps(&self.db, &ids).await });
        self.steps.load(id, fetch).await
    }

    /// A build's steps.
    pub(crate) async fn steps_of(
        &self,
        id: BuildId,
        args: Arc<StepsArgs>,
    ) -> Result<Vec<Arc<step::Model>>> {
        let fetch = |keys: Vec<StepsKey>| {
            fetch_by_arguments(keys, |args, ids| async move {
                // Unlike a page, a list of steps may come without a limit of its own.
                let max_rows = self.budget.max_rows_to_read();
                let read = async {
                    match self.take_kept_steps(&args, &ids) {
                        Some(steps) => Ok(steps),
                        None => cache::steps_of(&self.db, &args, &ids, max_rows).await,
                    }
                };
                self.budget.read(read, total_length).await
            })
        };
        let found = self.steps_of.load((id, args), fetch).await?;
        Ok(found.map(Arc::unwrap_or_clone).unwrap_or_default())
    }

    /// The steps of these builds, if all were read with their builds.
    fn take_kept_steps(&self, args: &StepsArgs, ids: &[BuildId]) -> Option<StepsOfBuilds> {
        let mut kept = self.kept_steps.lock();
        if kept.is_empty() || *args != StepsArgs::all() {
            return None;
        }
        let taken = ids.iter().map(|id| Some((*id, kept.remove(id)?)));
        taken.collect()
    }

    /// The step that a build is at.
    pub(crate) async fn current_step(&self, id: BuildId) -> Result<Option<Arc<step::Model>>> {
        let fetch = |ids: Vec<_>| self.rows(async move { step::current_of(&self.db, &ids).await });
        self.current_steps.load(id, fetch).await
    }

    /// What the steps of these builds add up to, by name.
    pub(crate) async fn step_sums(&self, builds: BuildSet) -> Result<Arc<Vec<StepSummary>>> {
        let fetch = |sets: Vec<BuildSet>| async move {
            let max_rows = self.budget.max_rows_to_read();
            let read = builder_stats::sum_up_steps(&self.db, &sets, max_rows);
            let (sums, _) = self.budget.read(read, |(_, rows)| *rows).await?;
            let share = |(set, sums)| (set, Arc::new(sums));
            Ok(sums.into_iter().map(share).collect())
        };
        let found = self.step_sums.load(builds, fetch).await?;
        Ok(found.unwrap_or_default())
    }

    pub(crate) async fn log(&self, id: LogId) -> Result<Option<Arc<log::Model>>> {
        let fetch = |ids: Vec<_>| self.rows(async move { log::by_ids(&self.db, &ids).await });
        self.logs.load(id, fetch).await
    }

    /// A step's logs.
    pub(crate) async fn logs_of(&self, id: StepId) -> Result<Vec<Arc<log::Model>>> {
        let fetch = |ids: Vec<StepId>| async move {
            let max_rows = self.budget.max_rows_to_read();
            let read = log::of_steps(&self.db, &ids, max_rows);
            let count = |lists: &HashMap<_, Vec<_>>| lists.values().map(Vec::len).sum();
            let lists = self.budget.read(read, count).await?.into_iter();
            let share = |rows: Vec<_>| rows.into_iter().map(Arc::new).collect();
            Ok(lists.map(|(id, rows)| (id, share(rows))).collect())
        };
        Ok(self.logs_of.load(id, fetch).await?.unwrap_or_default())
    }

    /// A step's log of this slug.
    pub(crate) async fn log_by_slug(
        &self,
        id: StepId,
        slug: String,
    ) -> Result<Option<Arc<log::Model>>> {
        let fetch = |keys: Vec<(StepId, String)>| {
            fetch_by_arguments(keys, |slug, ids| async move {
                self.rows(log::by_slug(&self.db, &slug, &ids)).await
            })
        };
        self.logs_by_slug.load((id, slug), fetch).await
    }

    /// Reads single rows that may be kept, within the budget.
    async fn counted<K, M>(
        &self,
        read: impl Future<Output = Result<HashMap<K, Arc<M>>>>,
    ) -> Result<HashMap<K, Arc<M>>> {
        self.budget.read(read, HashMap::len).await
    }

    /// Reads single rows by their keys, within the budget.
    async fn rows<K: Eq + std::hash::Hash, M>(
        &self,
        read: impl Future<Output = Result<HashMap<K, M>>>,
    ) -> Result<HashMap<K, Arc<M>>> {
        let rows = self.budget.read(read, HashMap::len).await?.into_iter();
        Ok(rows.map(|(key, row)| (key, Arc::new(row))).collect())
    }
}

/// How many rows several lists have in all.
fn total_length<K, R>(lists: &HashMap<K, Arc<Vec<R>>>) -> usize {
    lists.values().map(|list| list.len()).sum()
}
