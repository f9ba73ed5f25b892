//! The macro that makes a [`Runtime`](crate::Runtime).

/// A [`Runtime`](crate::Runtime), or why its parts do not go together. Documented at
/// `wrt_node::runtime!`, which makes a program around it.
///
/// ```
/// let runtime = wrt_runtime::runtime_value!({})?;
/// assert!(runtime.packages().is_empty());
/// # Ok::<(), wrt_runtime::RuntimeError>(())
/// ```
#[macro_export]
macro_rules! runtime_value {
    ({ $($entries:tt)* }) => {{
        let builder = $crate::Runtime::builder();
        $crate::runtime_value!(@entries builder, $($entries)*);
        builder.build()
    }};
    (@entries $builder:ident,) => {};
    (@entries $builder:ident, $(#[$if:meta])* $host:ty : _ $(, $($rest:tt)*)?) => {
        $(#[$if])*
        let $builder = $builder.with_package::<$host>();
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
    (
        @entries $builder:ident,
        $(#[$if:meta])* $host:ty : [ $($(#[$also:meta])* $backend:ty),+ $(,)? ] $(, $($rest:tt)*)?
    ) => {
        $crate::runtime_value!(@backends $builder, { $(#[$if])* } $host, $({ $(#[$also])* } $backend,)+);
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
    (@entries $builder:ident, $(#[$if:meta])* $host:ty : $backend:ty $(, $($rest:tt)*)?) => {
        $(#[$if])*
        let $builder = $builder.with::<$host, $backend>();
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
    (@backends $builder:ident, { $($if:tt)* } $host:ty,) => {};
    (
        @backends $builder:ident, { $($if:tt)* } $host:ty,
        { $($also:tt)* } $backend:ty, $($rest:tt)*
    ) => {
        $($if)* $($also)*
        let $builder = $builder.with::<$host, $backend>();
        $crate::runtime_value!(@backends $builder, { $($if)* } $host, $($rest)*);
    };
}
