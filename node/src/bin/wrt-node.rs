//! `wrt-node`: runs components and providers, alone or as a node of a lattice.

#[path = "../standard.rs"]
mod standard;

/// A call over the bus makes dozens of small allocations on one thread and frees them on another,
/// which is what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    standard::main()
}
