//! `wrt-node`: runs components and providers, alone or as a node of a lattice.

fn main() -> std::process::ExitCode {
    wrt_node::cli::wrt_node()
}
