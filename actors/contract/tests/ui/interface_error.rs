//! What `#[derive(InterfaceError)]` refuses.

use wrt_contract::InterfaceError;
use wrt_protocol::Fault;

#[derive(InterfaceError)]
struct NoEnum(Fault);

#[derive(InterfaceError)]
enum WithoutFault {
    Own,
}

#[derive(InterfaceError)]
enum FaultBesideSomething {
    Fault(Fault, String),
}

#[derive(InterfaceError)]
enum FaultWithAName {
    #[fault]
    Lattice { fault: Fault },
}

#[derive(InterfaceError)]
enum TwoFaults {
    #[fault]
    One(Fault),
    #[fault]
    Other(Fault),
}

#[derive(InterfaceError)]
enum MarkWithOptions {
    #[fault(first)]
    Lattice(Fault),
}

#[derive(InterfaceError)]
enum WithParameter<T> {
    Own(T),
    Fault(Fault),
}

fn main() {}
