//! Types that the provider does not know, which the server writes as text.
//!
//! The driver has every result in the server's binary forms, and those of extensions are anybody's. So the
//! statement becomes the body of another one, which has such columns made texts.

use std::fmt::Write as _;

use tokio_postgres::Statement;

use crate::decode::is_known;

/// The columns whose types are not known.
pub(crate) fn unknown_columns(statement: &Statement) -> impl Iterator<Item = usize> {
    let columns = statement.columns().iter().enumerate();
    columns
        .filter(|(_, column)| !is_known(column.type_()))
        .map(|(at, _)| at)
}

/// The statement that answers with texts for the columns of `text` that are not known.
pub(crate) fn with_texts(text: &str, statement: &Statement) -> String {
    let names = (0..statement.columns().len()).map(|at| format!("c{at}"));
    let names: Vec<_> = names.collect();
    let mut selected = names.clone();
    for at in unknown_columns(statement) {
        // As it is sent to a client: a cast to text may say more, and calls a row of nulls null.
        let column = &names[at];
        selected[at] =
            format!("CASE WHEN {column} IS DISTINCT FROM NULL THEN format('%s', {column}) END");
    }
    let body = text.trim_end().trim_end_matches(';');
    let mut whole = String::new();
    // The line's end is the end of a comment, too.
    write!(
        whole,
        "WITH q ({}) AS (\n{body}\n) SELECT {} FROM q",
        names.join(", "),
        selected.join(", ")
    )
    .expect("a string takes any text");
    whole
}
