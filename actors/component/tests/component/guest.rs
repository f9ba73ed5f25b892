//! Guests in text: a core module and its WIT become a component, without a toolchain.
#![allow(
    dead_code,
    reason = "each program that includes this uses its own guests"
)]

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What every guest has: memory, and an allocator that never frees.
const PRELUDE: &str = r#"
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
"#;

/// A component of the world `guest` in `wit`. `imports` and `body` are parts of a core module;
/// `body` comes after the prelude.
pub fn component(wit: &str, imports: &str, body: &str) -> Vec<u8> {
    let mut module = core_module(&format!("{imports}{PRELUDE}{body}"));
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("guest.wit", wit)
        .expect("the WIT is legal");
    let world = resolve
        .select_world(&[package], Some("guest"))
        .expect("it has a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world has an encoding");
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits its world")
}

pub fn core_module(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {body})")).expect("the text is legal")
}

/// `add: func(a: u32, b: u32) -> u32`
pub fn calculator() -> Vec<u8> {
    component(
        "package test:calculator; world guest { export add: func(a: u32, b: u32) -> u32; }",
        "",
        r#"(func (export "add") (param i32 i32) (result i32)
             (i32.add (local.get 0) (local.get 1)))"#,
    )
}

/// The calculator, with an interface of WASI 0.3 among its imports.
pub fn sleeper() -> Vec<u8> {
    component(
        "package test:sleeper;
         world guest {
           import wasi:random/insecure-seed@0.3.0;
           export add: func(a: u32, b: u32) -> u32;
         }
         package wasi:random@0.3.0 {
           interface insecure-seed { get-insecure-seed: func() -> tuple<u64, u64>; }
         }",
        r#"(import "wasi:random/insecure-seed@0.3.0" "get-insecure-seed" (func (param i32)))"#,
        r#"(func (export "add") (param i32 i32) (result i32)
             (i32.add (local.get 0) (local.get 1)))"#,
    )
}

/// `run: async func()`, with no interface of 0.3 near it.
pub fn asynchronous() -> Vec<u8> {
    component(
        "package test:asynchronous; world guest { export run: async func(); }",
        "",
        r#"(func (export "run"))"#,
    )
}

/// `spin: func()` never ends; `work: func(rounds: u32) -> u32` does.
pub fn spinner() -> Vec<u8> {
    component(
        "package test:spinner;
         world guest { export spin: func(); export work: func(rounds: u32) -> u32; }",
        "",
        r#"(func (export "spin") (loop $again (br $again)))
           (func (export "work") (param i32) (result i32)
             (local $done i32)
             (loop $again
               (local.set $done (i32.add (local.get $done) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $done) (local.get 0))))
             (local.get $done))"#,
    )
}

/// `grow: func(pages: u32) -> s32` answers what `memory.grow` does, and touches what it got.
pub fn hog() -> Vec<u8> {
    component(
        "package test:hog; world guest { export grow: func(pages: u32) -> s32; }",
        "",
        r#"(func (export "grow") (param i32) (result i32)
             (local $before i32)
             (local.set $before (memory.grow (local.get 0)))
             (if (i32.ne (local.get $before) (i32.const -1))
               (then (memory.fill
                 (i32.mul (local.get $before) (i32.const 65536))
                 (i32.const 1)
                 (i32.mul (local.get 0) (i32.const 65536)))))
             (local.get $before))"#,
    )
}

/// `environment: func() -> list<tuple<string, string>>`
pub fn environment() -> Vec<u8> {
    component(
        "package test:environment;
         world guest {
           import wasi:cli/environment@0.2.0;
           export environment: func() -> list<tuple<string, string>>;
         }
         package wasi:cli@0.2.0 {
           interface environment {
             get-environment: func() -> list<tuple<string, string>>;
           }
         }",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $get (param i32)))"#,
        r#"(func (export "environment") (result i32)
             (call $get (i32.const 64))
             (i32.const 64))"#,
    )
}

/// `socket: func() -> u32`: 0 for a socket, and 1 and its number for an error.
pub fn caller_out() -> Vec<u8> {
    component(
        "package test:caller-out;
         world guest {
           import wasi:sockets/tcp-create-socket@0.2.0;
           export socket: func() -> u32;
         }
         package wasi:sockets@0.2.0 {
           interface network {
             enum error-code {
               unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
               concurrency-conflict, not-in-progress, would-block, invalid-state,
               new-socket-limit, address-not-bindable, address-in-use, remote-unreachable,
               connection-refused, connection-reset, connection-aborted, datagram-too-large,
               name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
             }
             enum ip-address-family { ipv4, ipv6 }
           }
           interface tcp { resource tcp-socket; }
           interface tcp-create-socket {
             use network.{error-code, ip-address-family};
             use tcp.{tcp-socket};
             create-tcp-socket: func(address-family: ip-address-family)
               -> result<tcp-socket, error-code>;
           }
         }",
        r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket"
             (func $create (param i32 i32)))"#,
        r#"(func (export "socket") (result i32)
             (call $create (i32.const 0) (i32.const 64))
             (if (result i32) (i32.load8_u (i32.const 64))
               (then (i32.add (i32.const 1) (i32.load8_u (i32.const 68))))
               (else (i32.const 0))))"#,
    )
}

/// `print: func(text: string)` writes to standard output, the 4096 bytes at a time that are allowed.
pub fn printer() -> Vec<u8> {
    component(
        "package test:printer;
         world guest {
           import wasi:cli/stdout@0.2.0;
           export print: func(text: string);
         }
         package wasi:io@0.2.0 {
           interface error { resource error; }
           interface streams {
             use error.{error};
             variant stream-error { last-operation-failed(error), closed }
             resource output-stream {
               blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
             }
           }
         }
         package wasi:cli@0.2.0 {
           interface stdout {
             use wasi:io/streams@0.2.0.{output-stream};
             get-stdout: func() -> output-stream;
           }
         }",
        r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
             (func $write (param i32 i32 i32 i32)))
           (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream"
             (func $drop (param i32)))"#,
        r#"(func (export "print") (param i32 i32)
             (local $out i32) (local $piece i32)
             (local.set $out (call $stdout))
             (loop $more
               (local.set $piece (select (local.get 1) (i32.const 4096)
                 (i32.lt_u (local.get 1) (i32.const 4096))))
               (call $write (local.get $out) (local.get 0) (local.get $piece) (i32.const 64))
               (local.set 0 (i32.add (local.get 0) (local.get $piece)))
               (br_if $more (local.tee 1 (i32.sub (local.get 1) (local.get $piece)))))
             (call $drop (local.get $out)))"#,
    )
}

/// `look-up: func() -> u32` answers what `test:table/look-up` does, which knows no error.
pub fn looker_up() -> Vec<u8> {
    component(
        "package test:looker-up;
         world guest { import test:table/rows; export look-up: func() -> u32; }
         package test:table { interface rows { look-up: func() -> u32; } }",
        r#"(import "test:table/rows" "look-up" (func $look_up (result i32)))"#,
        r#"(func (export "look-up") (result i32) (call $look_up))"#,
    )
}

/// `count: func() -> u32` answers how often it was called in this instance; with the interface of
/// [`looker_up`], and what ends badly. With an import of 0.3 or without.
pub fn counter(is_of_0_3: bool) -> Vec<u8> {
    let (newer, newer_of_module) = if is_of_0_3 {
        (
            "import wasi:random/insecure-seed@0.3.0;",
            r#"(import "wasi:random/insecure-seed@0.3.0" "get-insecure-seed" (func (param i32)))"#,
        )
    } else {
        ("", "")
    };
    component(
        &format!(
            "package test:counter;
             world guest {{
               {newer}
               import test:table/rows;
               export count: func() -> u32;
               export look-up: func() -> u32;
               export work: func(rounds: u32);
               export trap: func();
               export spin: func();
             }}
             package test:table {{ interface rows {{ look-up: func() -> u32; }} }}
             package wasi:random@0.3.0 {{
               interface insecure-seed {{ get-insecure-seed: func() -> tuple<u64, u64>; }}
             }}"
        ),
        &format!(
            r#"{newer_of_module}
               (import "test:table/rows" "look-up" (func $look_up (result i32)))"#
        ),
        r#"(global $count (mut i32) (i32.const 0))
           (func (export "count") (result i32)
             (global.set $count (i32.add (global.get $count) (i32.const 1)))
             (global.get $count))
           (func (export "look-up") (result i32) (call $look_up))
           (func (export "work") (param i32)
             (loop $again
               (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
           (func (export "trap") unreachable)
           (func (export "spin") (loop $again (br $again)))"#,
    )
}

/// Imports each of `names` as an instance without anything in it.
pub fn importer(names: &[&str]) -> Vec<u8> {
    let imports: String = names
        .iter()
        .map(|name| format!("(import {name:?} (instance))"))
        .collect();
    wat::parse_str(format!("(component {imports})")).expect("the text is legal")
}

/// Exports `test:table/rows`, whose `look-up` is one more than the imported one's; with an import of 0.3
/// or without.
pub fn adds_one(is_of_0_3: bool) -> Vec<u8> {
    let (newer, newer_of_module) = if is_of_0_3 {
        (
            "import wasi:random/insecure-seed@0.3.0;",
            r#"(import "wasi:random/insecure-seed@0.3.0" "get-insecure-seed" (func (param i32)))"#,
        )
    } else {
        ("", "")
    };
    component(
        &format!(
            "package test:adds-one;
             world guest {{ {newer} import test:table/rows; export test:table/rows; }}
             package test:table {{ interface rows {{ look-up: func() -> u32; }} }}
             package wasi:random@0.3.0 {{
               interface insecure-seed {{ get-insecure-seed: func() -> tuple<u64, u64>; }}
             }}"
        ),
        &format!(
            r#"{newer_of_module}
               (import "test:table/rows" "look-up" (func $look_up (result i32)))"#
        ),
        r#"(func (export "test:table/rows#look-up") (result i32)
             (i32.add (i32.const 1) (call $look_up)))"#,
    )
}

/// Imports each of `names` as an instance with a function.
pub fn importer_of_functions(names: &[&str]) -> Vec<u8> {
    let imports: String = names
        .iter()
        .map(|name| format!("(import {name:?} (instance (export \"f\" (func))))"))
        .collect();
    wat::parse_str(format!("(component {imports})")).expect("the text is legal")
}

/// Imports three interfaces and uses nothing of them but types: one has a record, one a resource, and
/// one another name for that resource. Exports `run: func()`.
pub fn names_types() -> Vec<u8> {
    let text = r#"(component
        (import "acme:shop/types@1.0.0" (instance
          (type (record (field "price" u32)))
          (export "item" (type (eq 0)))))
        (import "wasi:io/error@0.2.0" (instance $io (export "error" (type (sub resource)))))
        (alias export $io "error" (type $error))
        (import "acme:shop/errors@1.0.0" (instance
          (alias outer 1 $error (type $same))
          (export "error" (type (eq $same)))))
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))"#;
    wat::parse_str(text).expect("the text is legal")
}

/// `times` instances of a core module.
pub fn instances(module: &str, times: u64) -> Vec<u8> {
    let instances = "(core instance (instantiate $m))".repeat(times as usize);
    wat::parse_str(format!("(component (core module $m {module}) {instances})"))
        .expect("the text is legal")
}

/// `object: func() -> u32` answers 7 from an object, `caught: func() -> u32` 9 from an exception;
/// `keep: func(count: u32)` makes so many objects, all of them alive.
pub fn collected() -> Vec<u8> {
    let text = r#"(component
        (core module $m
          (type $node (struct (field $value i32) (field $next (ref null $node))))
          (tag $thrown (param i32))
          (func (export "object") (result i32)
            (struct.get $node $value (struct.new $node (i32.const 7) (ref.null $node))))
          (func (export "caught") (result i32)
            (block $caught (result i32)
              (try_table (result i32) (catch $thrown $caught)
                (throw $thrown (i32.const 9)))))
          (func (export "keep") (param i32)
            (local $list (ref null $node))
            (loop $again
              (local.set $list (struct.new $node (i32.const 1) (local.get $list)))
              (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
        (core instance $i (instantiate $m))
        (func (export "object") (result u32) (canon lift (core func $i "object")))
        (func (export "caught") (result u32) (canon lift (core func $i "caught")))
        (func (export "keep") (param "count" u32) (canon lift (core func $i "keep"))))"#;
    wat::parse_str(text).expect("the text is legal")
}
