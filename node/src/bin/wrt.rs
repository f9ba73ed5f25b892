//! `wrt`: deploys apps to a lattice and shows what runs there.

fn main() -> std::process::ExitCode {
    wrt_node::cli::wrt()
}
