//! One figure.

use std::{fmt, io::Write};

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

/// A figure of ours, and of what it is measured beside.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// What was measured of it.
    pub metric: String,
    /// In what.
    pub unit: String,
    /// Our figure.
    pub ours: f64,
    /// What it is measured beside.
    pub beside: String,
    /// That one's figure; none for a bound that nobody else was measured for.
    pub theirs: Option<f64>,
    /// Ours over theirs.
    pub ratio: Option<f64>,
}

impl Row {
    /// A figure beside another one.
    pub fn beside(
        (work, metric, unit): (&str, &str, &str),
        ours: f64,
        (beside, theirs): (&str, f64),
    ) -> Self {
        let ratio = Some(ours / theirs);
        Self {
            theirs: Some(theirs),
            ratio,
            ..Self::alone((work, metric, unit), ours, beside)
        }
    }

    /// A figure that stands beside a bound.
    pub fn alone((work, metric, unit): (&str, &str, &str), ours: f64, bound: &str) -> Self {
        let owned = str::to_owned;
        Self {
            work: owned(work),
            metric: owned(metric),
            unit: owned(unit),
            ours,
            beside: owned(bound),
            theirs: None,
            ratio: None,
        }
    }

    fn cells(&self) -> [String; 7] {
        let number = |value: Option<f64>| value.map(figure).unwrap_or_default();
        [
            self.work.clone(),
            self.metric.clone(),
            figure(self.ours),
            self.unit.clone(),
            self.beside.clone(),
            number(self.theirs),
            self.ratio
                .map(|ratio| format!("{ratio:.2} x"))
                .unwrap_or_default(),
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [work, metric, ours, unit, beside, theirs, ratio] = self.cells();
        write!(
            f,
            "{work}: {metric} {ours} {unit} | {beside} {theirs} {ratio}"
        )
    }
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Prints all of them as a table. A reader that has gone away is no error.
pub fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "work", "metric", "ours", "unit", "beside", "theirs", "ratio",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    let _closed_pipe = writeln!(std::io::stdout(), "{table}");
}
