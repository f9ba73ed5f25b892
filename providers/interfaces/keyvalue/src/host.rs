//! Host glue: the WIT of both published drafts over the one trait.
