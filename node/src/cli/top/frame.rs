//! What `wrt top` draws.

use std::io;

use comfy_table::{CellAlignment, Table, presets};
use wrt_host::Printable;

use super::rates::{ActorLoad, Amount, Load, NodeLoad};

/// What is drawn where the terminal says nothing of its size.
const USUAL: Size = Size {
    columns: 80,
    lines: 24,
};

/// How large the terminal is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

impl Size {
    /// That of standard output.
    pub(super) fn of_terminal() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stdout());
        let size = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or(USUAL, |size| Self {
            columns: size.ws_col.into(),
            lines: size.ws_row.into(),
        })
    }
}

/// The lines of a frame: none is longer than the terminal is wide, and there are fewer than it has.
pub(super) fn lines(load: &Load, size: Size) -> Vec<String> {
    let Load {
        lattice,
        nodes,
        actors,
    } = load;
    let calls: f64 = actors.iter().map(|it| it.amount.calls_per_second).sum();
    let title = format!(
        "lattice {lattice}: {} nodes, {} actors, {} calls/s",
        nodes.len(),
        actors.len(),
        rate(calls)
    );
    let mut lines = vec![title, String::new()];
    lines.extend(table("NODE", "REPLICAS", nodes.iter().map(of_node)));
    lines.push(String::new());
    lines.extend(table("ACTOR", "READY", actors.iter().map(of_actor)));
    let room = size.lines.saturating_sub(1);
    if lines.len() > room {
        let left_out = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        lines.push(format!("and {left_out} lines more"));
    }
    for line in &mut lines {
        if let Some((end, _)) = line.char_indices().nth(size.columns) {
            line.truncate(end);
        }
    }
    lines
}

fn of_node(node: &NodeLoad) -> Vec<String> {
    let name = match node.state {
        "serving" => node.node.to_string(),
        state => format!("{} ({state})", node.node),
    };
    row(name, node.replicas.to_string(), node.amount)
}

fn of_actor(actor: &ActorLoad) -> Vec<String> {
    let ready = format!("{}/{}", actor.ready, actor.replicas);
    row(Printable(&actor.actor).to_string(), ready, actor.amount)
}

fn row(first: String, second: String, amount: Amount) -> Vec<String> {
    let running = match amount.limit {
        0 => amount.running.to_string(),
        limit => format!("{}/{limit}", amount.running),
    };
    vec![
        first,
        second,
        running,
        amount.waiting.to_string(),
        rate(amount.calls_per_second),
        rate(amount.refused_per_second),
    ]
}

/// With one digit behind the point where there are few.
fn rate(per_second: f64) -> String {
    match per_second {
        few if few < 0.05 => "0".to_owned(),
        few if few < 100.0 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

fn table(first: &str, second: &str, rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([first, second, "RUNNING", "WAITING", "CALLS/S", "REFUSED/S"]);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.to_string();
    lines
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use wrt_protocol::{LatticeName, NodeId};

    use super::*;

    fn load() -> Load {
        let amount = Amount {
            running: 7,
            limit: 64,
            waiting: 2,
            calls_per_second: 1234.4,
            refused_per_second: 0.25,
        };
        let node = |name: &str, state| NodeLoad {
            node: NodeId::new(name).expect("a legal name"),
            state,
            replicas: 3,
            amount,
        };
        Load {
            lattice: LatticeName::new("default").expect("a legal name"),
            nodes: vec![node("a", "serving"), node("b", "silent")],
            actors: vec![ActorLoad {
                actor: "component/shop/cart".to_owned(),
                replicas: 3,
                ready: 2,
                amount,
            }],
        }
    }

    #[test]
    fn a_frame_has_nodes_and_actors() {
        let size = Size {
            columns: 80,
            lines: 24,
        };
        insta::assert_snapshot!(lines(&load(), size).join("\n"), @"
        lattice default: 2 nodes, 1 actors, 1234 calls/s

         NODE        REPLICAS  RUNNING  WAITING  CALLS/S  REFUSED/S
         a                  3     7/64        2     1234        0.2
         b (silent)         3     7/64        2     1234        0.2

         ACTOR                READY  RUNNING  WAITING  CALLS/S  REFUSED/S
         component/shop/cart    2/3     7/64        2     1234        0.2
        ");
    }

    #[test]
    fn a_frame_is_no_larger_than_the_terminal() {
        for (columns, rows) in [(80, 24), (20, 6), (1, 1), (0, 0)] {
            let size = Size {
                columns,
                lines: rows,
            };
            let lines = lines(&load(), size);
            assert!(lines.len() <= rows.max(1), "{lines:?}");
            assert!(lines.iter().all(|it| it.chars().count() <= columns));
        }
    }
}
