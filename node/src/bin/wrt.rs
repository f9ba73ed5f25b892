//! `wrt`: deploys apps to a lattice and shows what runs there.

#[path = "../standard.rs"]
mod standard;

fn main() -> std::process::ExitCode {
    wrt_node::cli::wrt(standard::runtime())
}
