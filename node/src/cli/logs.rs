//! `wrt logs`: the log of the nodes, and with it what guests say.

use wrt_host::Printable;
use wrt_protocol::{NodeId, subject::Role};

use super::{
    args::{LatticeArgs, LogsArgs},
    exit::Failure,
    journals::{Entry, Of, show, time},
    output::Output,
};
use crate::journal::{LogLevel, LogLine, LogQuestion, Question};

pub async fn logs(
    lattice: &LatticeArgs,
    arguments: LogsArgs,
    output: Output,
) -> Result<(), Failure> {
    let LogsArgs {
        selection, level, ..
    } = arguments;
    let of = Of::read(&selection)?;
    let lattice = lattice.connect(Role::Observer).await?;
    let question = |after| {
        Question::Logs(LogQuestion {
            after,
            tail: selection.tail,
            app: of.app.clone(),
            name: of.name.clone(),
            level,
        })
    };
    let shown = show(&lattice, &selection, output, question, |_: &LogLine| true).await;
    lattice.close().await;
    shown
}

impl Entry for LogLine {
    fn unix_nanos(&self) -> u64 {
        self.unix_nanos
    }

    fn text(&self, node: &NodeId) -> String {
        let level = match self.level {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO ",
            LogLevel::Warn => "WARN ",
            LogLevel::Error => "ERROR",
        };
        let fields = self.fields.iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        let said = format!("{}{}", self.text, fields.concat());
        format!(
            "{} {level} {node}: {}",
            time(self.unix_nanos),
            Printable(&said)
        )
    }

    fn json(&self, node: &NodeId) -> serde_json::Value {
        let mut fields = self.fields.clone();
        let (app, component) = (fields.remove("app"), fields.remove("component"));
        serde_json::json!({
            "time": time(self.unix_nanos), "node": node, "level": self.level, "target": self.target,
            "app": app, "component": component, "text": self.text, "fields": fields, "trace": self.trace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_with_its_time_and_its_node_and_moves_no_cursor() {
        let line = LogLine {
            unix_nanos: 1_796_000_000_123_456_789,
            level: LogLevel::Warn,
            target: "wrt::guest".to_owned(),
            text: "slow\n\u{1b}[2J".to_owned(),
            fields: [("app".to_owned(), "shop".to_owned())].into(),
            trace: None,
        };
        let node = NodeId::new("b").unwrap();
        let text = line.text(&node);
        assert_eq!(
            text,
            r"2026-11-30T00:53:20.123Z WARN  b: slow\n\u{1b}[2J app=shop"
        );
        assert_eq!(line.json(&node)["app"], "shop");
    }
}
