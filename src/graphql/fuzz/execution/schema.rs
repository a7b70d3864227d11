//! A small schema over constant data. Its fields echo their arguments, some fail, and some are
//! ready later than their neighbours.
//!
//! None of the interface's own fields fails: for those the library reports no path.

use async_graphql::{
    Enum, Error, ID, InputObject, Interface, MaybeUndefined, Object, Result, Schema, SchemaBuilder,
    Subscription,
};
use futures_util::{Stream, stream};

pub(super) type TestSchema = Schema<Query, Mutation, Events>;

pub(super) fn build_test_schema() -> SchemaBuilder<Query, Mutation, Events> {
    Schema::build(Query, Mutation, Events)
}

#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
enum Color {
    Red,
    Green,
    Blue,
}

#[derive(Debug, InputObject)]
struct Range {
    #[graphql(default = 1)]
    from: i32,
    to: Option<i32>,
}

fn any_range() -> Range {
    Range { from: 2, to: None }
}

#[derive(Debug, InputObject)]
struct Filter {
    id: ID,
    #[graphql(default = "any")]
    label: String,
    #[graphql(default_with = "Some(Color::Green)")]
    color: Option<Color>,
    #[graphql(default_with = "any_range()")]
    range: Range,
    ranges: Option<Vec<Range>>,
    weight: MaybeUndefined<i32>,
    inner: Option<Box<Filter>>,
}

fn any_filter() -> Filter {
    Filter {
        id: "0".into(),
        label: "default".to_owned(),
        color: None,
        range: any_range(),
        ranges: Some(Vec::new()),
        weight: MaybeUndefined::Value(1),
        inner: None,
    }
}

/// Why a field fails.
pub(super) const FAILURE: &str = "this field fails";

fn fail_if(fails: bool) -> Result<i32> {
    if fails {
        return Err(Error::new(FAILURE));
    }
    Ok(5)
}

/// Three of its four ancestors are there.
fn fruit(id: i32) -> Option<Fruit> {
    let id = id.rem_euclid(12);
    match id % 4 {
        0 => Some(Fruit::Apple(Apple(id))),
        1 => Some(Fruit::Pear(Pear(id))),
        2 => Some(Fruit::Plum(Plum(id))),
        _ => None,
    }
}

fn fruits(id: i32) -> Vec<Fruit> {
    (id..id + 3).filter_map(fruit).collect()
}

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(
        name = "number",
        ty = "String",
        arg(name = "of", ty = "i32", default = 3),
        arg(
            name = "color",
            ty = "Option<Color>",
            default_with = "Some(Color::Red)"
        )
    ),
    field(name = "next", ty = "Option<Fruit>"),
    field(name = "all", ty = "Vec<Fruit>"),
    field(name = "some", ty = "Option<Vec<Option<Fruit>>>")
)]
enum Fruit {
    Apple(Apple),
    Pear(Pear),
    Plum(Plum),
}

/// Defines an object type of the interface, with a field of its own.
macro_rules! fruit_object {
    ($name:ident, $own:ident, $argument:ty, $default:expr) => {
        struct $name(i32);

        #[Object]
        impl $name {
            async fn id(&self) -> ID {
                self.0.into()
            }

            async fn number(
                &self,
                #[graphql(default = 3)] of: i32,
                #[graphql(default_with = "Some(Color::Red)")] color: Option<Color>,
            ) -> String {
                tokio::task::yield_now().await;
                format!("{} {of} {color:?}", stringify!($name))
            }

            async fn weak(&self) -> Result<Option<i32>> {
                fail_if(self.0 % 3 == 1).map(Some)
            }

            async fn strong(&self) -> Result<i32> {
                fail_if(self.0 % 3 == 2)
            }

            async fn next(&self) -> Option<Fruit> {
                tokio::task::yield_now().await;
                fruit(self.0 + 1)
            }

            async fn all(&self) -> Vec<Fruit> {
                fruits(self.0)
            }

            async fn some(&self) -> Option<Vec<Option<Fruit>>> {
                (self.0 != 0).then(|| (self.0..self.0 + 3).map(fruit).collect())
            }

            async fn $own(&self, #[graphql(default_with = $default)] of: $argument) -> String {
                format!("{} {of:?}", self.0)
            }
        }
    };
}

fruit_object!(Apple, core, Vec<i32>, "vec![1, 2]");
fruit_object!(Pear, stem, Option<Range>, "Some(any_range())");
fruit_object!(Plum, stone, Color, "Color::Blue");

/// An object of no interface.
struct Basket(i32);

#[Object]
impl Basket {
    async fn id(&self) -> ID {
        self.0.into()
    }

    async fn scalars(
        &self,
        int: Option<i32>,
        #[graphql(default = "a")] text: String,
        #[graphql(default = true)] flag: bool,
        id: Option<ID>,
        maybe: MaybeUndefined<i32>,
    ) -> String {
        format!("{int:?} {text:?} {flag} {id:?} {maybe:?}")
    }

    async fn required(&self, count: i32, color: Color) -> Option<String> {
        tokio::task::yield_now().await;
        (count != 0).then(|| format!("{count} {color:?}"))
    }

    async fn lists(
        &self,
        numbers: Option<Vec<i32>>,
        #[graphql(default_with = "vec![None, Some(\"b\".to_owned())]")] words: Vec<Option<String>>,
        colors: Option<Vec<Option<Color>>>,
    ) -> Vec<String> {
        vec![
            format!("{numbers:?}"),
            format!("{words:?}"),
            format!("{colors:?}"),
        ]
    }

    async fn filter(
        &self,
        by: Option<Filter>,
        #[graphql(default_with = "any_filter()")] or_else: Filter,
    ) -> String {
        format!("{by:?} {or_else:?}")
    }

    async fn color(&self) -> Color {
        Color::Green
    }

    async fn weak(&self) -> Result<Option<i32>> {
        tokio::task::yield_now().await;
        fail_if(self.0 % 2 == 1).map(Some)
    }

    async fn strong(&self) -> Result<i32> {
        tokio::task::yield_now().await;
        fail_if(self.0 % 2 == 1)
    }

    async fn inner(&self) -> Basket {
        Basket(self.0 + 1)
    }

    async fn maybe(&self) -> Option<Basket> {
        (self.0 < 4).then(|| Basket(self.0 + 1))
    }

    async fn fruit(&self, #[graphql(default = 0)] id: i32) -> Option<Fruit> {
        fruit(id)
    }

    async fn fruits(&self, #[graphql(default = 0)] from: i32) -> Vec<Fruit> {
        fruits(from % 12)
    }
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn version(&self) -> i32 {
        1
    }

    async fn basket(&self) -> Option<Basket> {
        Some(Basket(0))
    }

    async fn full(&self) -> Basket {
        Basket(1)
    }

    async fn baskets(&self) -> Vec<Basket> {
        vec![Basket(0), Basket(1)]
    }

    async fn fruit(&self, #[graphql(default = 1)] id: i32) -> Option<Fruit> {
        tokio::task::yield_now().await;
        fruit(id)
    }

    async fn fruits(&self, #[graphql(default = 1)] from: i32) -> Vec<Fruit> {
        fruits(from % 12)
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn version(&self) -> i32 {
        2
    }

    async fn change(&self, by: Filter) -> Result<Option<String>> {
        tokio::task::yield_now().await;
        fail_if(by.label == "a").map(|_| Some(format!("{by:?}")))
    }

    async fn fill(&self, #[graphql(default = 4)] from: i32) -> Basket {
        Basket(from % 12)
    }

    async fn pick(&self, color: Option<Color>) -> Option<Fruit> {
        tokio::task::yield_now().await;
        fruit(color.map_or(0, |color| color as i32))
    }
}

pub(super) struct Events;

#[Subscription]
impl Events {
    async fn ticks(&self) -> impl Stream<Item = i32> {
        stream::empty()
    }
}
