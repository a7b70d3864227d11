//! What the statistics of builders are made of: their newest builds, and the steps of those.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    domain::{
        build::BuildField,
        builder_stats::{NewestBuilds, StepRun, StepRuns, StepSummary, summarize},
        error::Result,
        filter::{Direction, Filter, Test, Value},
        id::{BuildId, BuilderId},
        results::Results,
    },
    store::{
        build,
        db::database::Db,
        query::{
            per_parent,
            rows::{MAX_BINDS, read_rows_once},
            selection::{RowRange, Selection},
        },
        row::{FromRow, Row, from_row},
        step,
        unchecked_int::UncheckedInt,
    },
};

/// The newest complete builds of each of these builders; those without any are left out.
pub(crate) async fn newest_builds(
    db: &Db,
    newest: NewestBuilds,
    builders: &[BuilderId],
) -> Result<HashMap<BuilderId, Vec<build::Model>>> {
    let mut tests = vec![
        Filter::Field(BuildField::CompleteAt, Test::IsNull).negate(),
        // Leaves out what SQLite may have in place of a number: it would be the newest.
        Filter::Field(BuildField::Number, Test::Le(Value::Int(i32::MAX.into()))),
    ];
    if newest.successful {
        let codes = [Results::Success, Results::Warnings].map(|r| Value::Int(r.code()));
        tests.push(Filter::Field(BuildField::Results, Test::In(codes.into())));
    }
    let selection = Selection {
        filter: &Filter::All(tests),
        order: &vec![(BuildField::Number, Direction::Desc)],
        range: RowRange::Offset {
            limit: newest.limit,
            offset: 0,
        },
    };
    let parent = build::Column::Builderid;
    let pages = per_parent::pages_of::<build::Entity, _>(db, &selection, parent, builders).await?;
    let pages = pages.into_iter();
    Ok(pages.map(|(id, page)| (id, page.rows)).collect())
}

/// What statistics read of a step.
#[derive(Debug)]
struct StepRow {
    buildid: BuildId,
    name: String,
    results: Option<UncheckedInt>,
    started_at: Option<UncheckedInt>,
    locks_acquired_at: Option<UncheckedInt>,
    complete_at: Option<UncheckedInt>,
}

from_row!(StepRow {
    buildid,
    name,
    results,
    started_at,
    locks_acquired_at,
    complete_at,
});

impl StepRow {
    /// `None` for a step that did not run: it was skipped, or never started.
    fn run(&self) -> Option<StepRun> {
        let started = self.started_at.as_ref()?;
        let since_start = |time: &Option<UncheckedInt>| time.as_ref()?.seconds_since(started);
        let code = self.results.as_ref().and_then(UncheckedInt::int);
        let results = code.and_then(Results::from_code);
        (results != Some(Results::Skipped)).then(|| StepRun {
            results,
            duration: since_start(&self.complete_at),
            lock_wait: since_start(&self.locks_acquired_at),
        })
    }
}

/// The builds whose steps are summed up together.
pub(crate) type BuildSet = Arc<[BuildId]>;

/// The sums of several sets of builds, as the rows of their steps come in. No row is kept.
struct StepSums {
    sets: Vec<(BuildSet, HashMap<String, StepRuns>)>,
    /// In which sets a build is.
    sets_of: HashMap<BuildId, Vec<usize>>,
}

impl StepSums {
    fn new(sets: &[BuildSet]) -> Self {
        let mut sets_of: HashMap<BuildId, Vec<usize>> = HashMap::new();
        for (i, set) in sets.iter().enumerate() {
            for build in set.iter() {
                sets_of.entry(*build).or_default().push(i);
            }
        }
        Self {
            sets: sets
                .iter()
                .map(|set| (set.clone(), HashMap::new()))
                .collect(),
            sets_of,
        }
    }

    /// Adds a step to the sets of its build. Returns how many bytes that takes.
    fn add(&mut self, step: &StepRow) -> usize {
        let Some(run) = step.run() else { return 0 };
        let sets = self.sets_of.get(&step.buildid).into_iter().flatten();
        let mut bytes = 0;
        for set in sets {
            bytes += size_of::<[i32; 2]>();
            let runs = match self.sets[*set].1.entry(step.name.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    bytes += size_of::<(String, StepRuns)>() + step.name.len();
                    new.insert(StepRuns::default())
                }
            };
            runs.add(run);
        }
        bytes
    }
}

/// What the steps of each of these sets of builds add up to, by name, and how many rows were read
/// for that: at most `limit`.
pub(crate) async fn sum_up_steps(
    db: &Db,
    sets: &[BuildSet],
    limit: u64,
) -> Result<(HashMap<BuildSet, Vec<StepSummary>>, usize)> {
    let sums = StepSums::new(sets);
    let builds: Vec<BuildId> = sums.sets_of.keys().copied().collect();
    let sums = Arc::new(Mutex::new(sums));
    let mut rows = 0;
    for builds in builds.chunks(MAX_BINDS) {
        use step::Column::{Buildid, CompleteAt, LocksAcquiredAt, Name, Results, StartedAt};
        let select = step::Entity::find()
            .select_only()
            .columns([
                Buildid,
                Name,
                Results,
                StartedAt,
                LocksAcquiredAt,
                CompleteAt,
            ])
            .filter(Buildid.is_in(builds.iter().copied()))
            .limit(limit.saturating_sub(rows as u64));
        let sums = sums.clone();
        let add = move |row: Row<'_>| -> Result<((), usize), DbErr> {
            let step = row.if_readable(StepRow::from_row(row))?;
            Ok(((), step.map_or(0, |step| sums.lock().add(&step))))
        };
        rows += read_rows_once(db, select.into_query(), add).await?.len();
    }
    let sums = std::mem::take(&mut sums.lock().sets);
    let summed = sums.into_iter().map(|(set, steps)| (set, summarize(steps)));
    Ok((summed.collect(), rows))
}
