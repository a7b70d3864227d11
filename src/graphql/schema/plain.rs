//! Objects and lists whose selection takes nothing but what is at hand. The library would make a
//! future and a map entry of each field; these are written as JSON at once.
//!
//! A type's table says by name which of its fields are plain. Their resolvers give the values here
//! as they do in the library, so that no value is made in two ways. What cannot be written, such
//! as a text too many, is resolved by the library, which has the errors.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{
    Context, ContextSelectionSet, ID, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
    resolver_utils::EnumType,
};

use crate::graphql::{
    execute::{
        json_text::{JsonText, NotPlain},
        loader::Loaders,
    },
    prepare::{plans::Plans, synthetic::MARKER},
};

/// An object or a list that is written at once where its selection is plain.
pub(crate) struct Plain<T>(pub(crate) T);

/// A value that can be written at once.
pub(crate) trait PlainValue {
    /// How to write what is selected of it.
    type Plan: Send + Sync + 'static;

    /// The plan for a selection; `None` where the selection is not plain.
    fn plan(set: &SelectionSet) -> Option<Self::Plan>;

    /// Writes the value.
    ///
    /// # Errors
    /// The library must resolve it.
    fn write_json(
        &self,
        plan: &Self::Plan,
        ctx: &Context<'_>,
        out: &mut JsonText,
    ) -> Result<(), NotPlain>;
}

/// An object some of whose fields are plain.
pub(crate) trait PlainObject: OutputType + Sized + 'static {
    /// How to write the field of this name; `None` for one that is not plain.
    fn field(name: &str, set: &SelectionSet) -> Option<FieldWriter<Self>>;
}

/// Writes a field's value.
pub(crate) type FieldWriter<T> =
    Box<dyn Fn(&T, &Context<'_>, &mut JsonText) -> Result<(), NotPlain> + Send + Sync>;

/// How to write the selected fields of an object, in their order.
pub(crate) struct ObjectPlan<T>(Vec<(Box<str>, FieldWriter<T>)>);

/// The table of an object's plain fields: the name of each, its resolver, and the type of what it
/// gives if that has fields of its own.
macro_rules! plain_object {
    ([$($generics:tt)*] $object:ty $(where [$($bound:ty),*])?, {
        $($name:literal => $resolver:ident $(: $nested:ty)?),* $(,)?
    }) => {
        impl<$($generics)*> $crate::graphql::schema::plain::PlainObject for $object
        $(where $($bound: async_graphql::OutputType),*)?
        {
            fn field(
                name: &str,
                set: &async_graphql::parser::types::SelectionSet,
            ) -> Option<$crate::graphql::schema::plain::FieldWriter<Self>> {
                let _ = set;
                Some(match name {
                    $($name => $crate::graphql::schema::plain::plain_object!(
                        @writer set, $resolver $(, $nested)?
                    ),)*
                    _ => return None,
                })
            }
        }
    };
    (@writer $set:ident, $resolver:ident) => {
        Box::new(|object, ctx, out| {
            use $crate::graphql::schema::plain::PlainValue;
            let value = $crate::graphql::schema::plain::ready(object.$resolver(ctx))?;
            value.write_json(&(), ctx, out)
        })
    };
    (@writer $set:ident, $resolver:ident, $nested:ty) => {{
        let plan = <$nested as $crate::graphql::schema::plain::PlainValue>::plan($set)?;
        Box::new(move |object, ctx, out| {
            use $crate::graphql::schema::plain::PlainValue;
            let value = $crate::graphql::schema::plain::ready(object.$resolver(ctx))?;
            value.write_json(&plan, ctx, out)
        })
    }};
}
pub(crate) use plain_object;

/// The value of a plain field's resolver, which waits for nothing; where it fails, the library says
/// why.
pub(crate) fn ready<T, E>(resolved: impl Future<Output = Result<T, E>>) -> Result<T, NotPlain> {
    use futures_util::FutureExt;
    resolved.now_or_never().and_then(Result::ok).ok_or(NotPlain)
}

impl<T: PlainValue + OutputType> OutputType for Plain<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match self.written(ctx, field) {
            Some(json) => Ok(json),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

impl<T: PlainValue> Plain<T> {
    fn written(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> Option<Value> {
        let plans = ctx.data_unchecked::<Arc<Plans>>();
        let plan = plans.get(&field.node.selection_set, T::plan)?;
        write(&self.0, &plan, &ctx.with_field(field))
    }
}

/// What is selected of a value, as JSON; `None` where the library must resolve it.
pub(crate) fn write<T: PlainValue>(value: &T, plan: &T::Plan, ctx: &Context<'_>) -> Option<Value> {
    let mut out = JsonText::new(ctx.data_unchecked::<Loaders>().budget());
    value.write_json(plan, ctx, &mut out).ok()?;
    out.into_value()
}

impl<T: PlainObject> PlainValue for T {
    type Plan = ObjectPlan<T>;

    fn plan(set: &SelectionSet) -> Option<Self::Plan> {
        let fields = set.items.iter().filter_map(|item| match &item.node {
            // What the server asks for itself is not answered.
            Selection::Field(field) if field.node.response_key().node == MARKER => None,
            Selection::Field(field) => Some(plan_field::<T>(&field.node)),
            _ => Some(None),
        });
        fields.collect::<Option<_>>().map(ObjectPlan)
    }

    fn write_json(
        &self,
        ObjectPlan(fields): &Self::Plan,
        ctx: &Context<'_>,
        out: &mut JsonText,
    ) -> Result<(), NotPlain> {
        let mut opening = "{";
        for (key, write) in fields {
            out.push(opening);
            out.push(key);
            write(self, ctx, out)?;
            opening = ",";
        }
        if fields.is_empty() {
            out.push(opening);
        }
        out.push("}");
        Ok(())
    }
}

/// The plan for what is selected of a type below an interface, where the canonical operation has a
/// fragment for each.
pub(crate) fn plan_fragment<T: PlainObject>(set: &SelectionSet) -> Option<ObjectPlan<T>> {
    set.items.iter().find_map(|item| match &item.node {
        Selection::InlineFragment(fragment) => {
            let on = fragment.node.type_condition.as_ref()?;
            let is_it = on.node.on.node.as_str() == T::type_name();
            is_it.then(|| T::plan(&fragment.node.selection_set.node))?
        }
        _ => None,
    })
}

/// A field's key as JSON, with the colon, and how to write its value.
fn plan_field<T: PlainObject>(field: &Field) -> Option<(Box<str>, FieldWriter<T>)> {
    let key = format!("{}:", Value::from(field.response_key().node.as_str()));
    let writer = if field.name.node == "__typename" {
        let name = format!("\"{}\"", T::type_name());
        Box::new(move |_: &T, _: &Context<'_>, out: &mut JsonText| {
            out.push(&name);
            Ok(())
        })
    } else {
        T::field(&field.name.node, &field.selection_set.node)?
    };
    Some((key.into(), writer))
}

impl<T: PlainValue> PlainValue for [T] {
    type Plan = T::Plan;

    fn plan(set: &SelectionSet) -> Option<Self::Plan> {
        T::plan(set)
    }

    fn write_json(
        &self,
        plan: &Self::Plan,
        ctx: &Context<'_>,
        out: &mut JsonText,
    ) -> Result<(), NotPlain> {
        out.push("[");
        for (at, item) in self.iter().enumerate() {
            if at > 0 {
                out.push(",");
            }
            item.write_json(plan, ctx, out)?;
            out.check()?;
        }
        out.push("]");
        Ok(())
    }
}

/// Writes what it holds.
macro_rules! plain_wrapper {
    ($([$($generics:tt)*] $wrapper:ty, $inner:ty, |$value:ident| $read:expr;)*) => {$(
        impl<$($generics)*> PlainValue for $wrapper {
            type Plan = <$inner as PlainValue>::Plan;

            fn plan(set: &SelectionSet) -> Option<Self::Plan> {
                <$inner as PlainValue>::plan(set)
            }

            fn write_json(
                &self,
                plan: &Self::Plan,
                ctx: &Context<'_>,
                out: &mut JsonText,
            ) -> Result<(), NotPlain> {
                let $value = self;
                let read: Option<&$inner> = $read;
                match read {
                    Some(inner) => inner.write_json(plan, ctx, out),
                    None => {
                        out.push("null");
                        Ok(())
                    }
                }
            }
        }
    )*};
}

plain_wrapper! {
    [T: PlainValue] Vec<T>, [T], |value| Some(value.as_slice());
    [T: PlainValue] Option<T>, T, |value| value.as_ref();
    [T: PlainValue] Plain<T>, T, |value| Some(&value.0);
}

/// Values without fields, and how to write each.
macro_rules! plain_leaf {
    ($([$($generics:tt)*] $leaf:ty, |$value:ident, $out:ident| $write:expr;)*) => {$(
        impl<$($generics)*> $crate::graphql::schema::plain::PlainValue for $leaf {
            type Plan = ();

            fn plan(_: &async_graphql::parser::types::SelectionSet) -> Option<()> {
                Some(())
            }

            fn write_json(
                &self,
                (): &(),
                _: &async_graphql::Context<'_>,
                $out: &mut $crate::graphql::execute::json_text::JsonText,
            ) -> Result<(), $crate::graphql::execute::json_text::NotPlain> {
                let $value = self;
                $write
            }
        }
    )*};
}
pub(crate) use plain_leaf;

plain_leaf! {
    [] i32, |value, out| out.value(value);
    [] bool, |value, out| out.value(value);
    [] ID, |value, out| out.value(&**value);
}

/// The name of an enum's value.
pub(crate) fn name_of<E: EnumType + PartialEq>(value: E) -> &'static str {
    let item = E::items().iter().find(|item| item.value == value);
    item.map_or("", |item| item.name)
}
