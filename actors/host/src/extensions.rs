//! What interfaces keep for each instance.

use std::any::{Any, TypeId};

/// One value for each type that was asked for. There are a handful at most, so that they are looked
/// through; of an instance that needs none, nothing is allocated.
#[derive(Default)]
pub(crate) struct Extensions(Vec<(TypeId, Box<dyn Any + Send>)>);

impl Extensions {
    /// The value of a type, made on demand.
    pub(crate) fn get<T: Default + Send + 'static>(&mut self) -> &mut T {
        let known = self.0.iter().position(|(id, _)| *id == TypeId::of::<T>());
        let at = known.unwrap_or_else(|| {
            self.0.push((TypeId::of::<T>(), Box::new(T::default())));
            self.0.len() - 1
        });
        let (_, value) = &mut self.0[at];
        value
            .downcast_mut()
            .expect("it lies under its own type's id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Spans(Vec<u64>);

    #[derive(Default)]
    struct Transactions(u32);

    #[test]
    fn each_type_has_one_value_which_stays() {
        let mut extensions = Extensions::default();
        assert_eq!(
            extensions.0.capacity(),
            0,
            "nothing for those who need nothing"
        );
        extensions.get::<Spans>().0.push(7);
        extensions.get::<Transactions>().0 += 1;
        extensions.get::<Transactions>().0 += 1;
        assert_eq!(extensions.get::<Spans>().0, [7]);
        assert_eq!(extensions.get::<Transactions>().0, 2);
        assert_eq!(extensions.0.len(), 2);
    }
}
