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
    (@entries $builder:ident, $host:ty : _ $(, $($rest:tt)*)?) => {
        let $builder = $builder.with_package::<$host>();
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
    (@entries $builder:ident, $host:ty : [ $($backend:ty),+ $(,)? ] $(, $($rest:tt)*)?) => {
        $(let $builder = $builder.with::<$host, $backend>();)+
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
    (@entries $builder:ident, $host:ty : $backend:ty $(, $($rest:tt)*)?) => {
        let $builder = $builder.with::<$host, $backend>();
        $($crate::runtime_value!(@entries $builder, $($rest)*);)?
    };
}
