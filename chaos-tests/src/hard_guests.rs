//! Components that give a compiler trouble.

/// Functions in the padding of a slow one, and operations in each: sixty kilobytes, half a second of
/// an unoptimised compiler, beside what the component itself takes.
const FUNCTIONS: usize = 40;
const OPERATIONS: usize = 250;

const MODULE: u8 = 1;
const I64: u8 = 0x7e;

/// `component` with a module that it never uses, and that is compiled all the same.
#[must_use]
pub fn slow_to_compile(component: &[u8]) -> Vec<u8> {
    let mut padded = component.to_vec();
    section(&mut padded, MODULE, &padding());
    padded
}

/// The same component with something in it that is no code, behind all that is looked at before it is
/// compiled.
#[must_use]
pub fn not_to_be_compiled(component: &[u8]) -> Vec<u8> {
    let mut broken = component.to_vec();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 0, 1, I64]);
    section(&mut module, 3, &[1, 0]);
    // A function that owes a number and ends.
    section(&mut module, 10, &[1, 2, 0, 0x0b]);
    section(&mut broken, MODULE, &module);
    broken
}

/// Functions of one number.
fn padding() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 1, I64, 1, I64]);
    let mut types = number(FUNCTIONS);
    types.extend([0].repeat(FUNCTIONS));
    section(&mut module, 3, &types);
    let mut code = number(FUNCTIONS);
    for function in 0..FUNCTIONS {
        let body = body(function);
        code.extend(number(body.len()));
        code.extend(body);
    }
    section(&mut module, 10, &code);
    module
}

/// `x = (x ^ constant) * x`, over and over: nothing of it can be left out.
fn body(function: usize) -> Vec<u8> {
    const LOCAL_GET: u8 = 0x20;
    const I64_CONST: u8 = 0x42;
    const I64_XOR: u8 = 0x85;
    const I64_MUL: u8 = 0x7e;
    const END: u8 = 0x0b;
    let mut body = vec![0, LOCAL_GET, 0];
    for operation in 0..OPERATIONS {
        // Below 64, a number is the same with a sign.
        let constant = ((function + operation) % 64) as u8;
        body.extend([I64_CONST, constant, I64_XOR, LOCAL_GET, 0, I64_MUL]);
    }
    body.push(END);
    body
}

fn section(to: &mut Vec<u8>, kind: u8, content: &[u8]) {
    to.push(kind);
    to.extend(number(content.len()));
    to.extend(content);
}

/// LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(low | if number > 0 { 0x80 } else { 0 });
        if number == 0 {
            return bytes;
        }
    }
}
