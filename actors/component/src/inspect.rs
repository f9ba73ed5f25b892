//! What a component imports and exports, without a compiler.

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds, ValidPayload,
    Validator, WasmFeatures,
    component_types::{ComponentAnyTypeId, ComponentEntityType, ResourceId},
    types::{Types, TypesRef},
};

use wrt_protocol::ComponentNeeds;

use crate::{ComponentError, EngineKind, needs};

/// Imports, or exports, of a component. Far above any honest one.
pub const INTERFACES_MAX: usize = 1024;

/// What a component imports and exports: names of WIT interfaces with their versions
/// (`wasi:http/types@0.2.6`), and plain names of functions that stand outside of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentInterfaces {
    /// What somebody must serve.
    pub imports: Vec<String>,
    /// What it serves.
    pub exports: Vec<String>,
    /// The engine that it needs.
    pub engine: EngineKind,
    /// What its instances need.
    pub needs: ComponentNeeds,
}

/// Reads what `bytes` import and export. Checks the component's types, and not the code in it.
///
/// # Errors
/// When the bytes are not a component; says how to make one of a core module.
pub fn inspect(bytes: &[u8]) -> Result<ComponentInterfaces, ComponentError> {
    reject_others(bytes)?;
    let (mut imports, exports) = names(bytes)?;
    if imports.len().max(exports.len()) > INTERFACES_MAX {
        return Err(ComponentError::TooManyInterfaces {
            max: INTERFACES_MAX,
        });
    }
    // By name as well: an interface of 0.3 need not have an async function.
    let named_concurrent = imports.iter().chain(&exports).any(|name| is_wasi_0_3(name));
    let features = WasmFeatures::default();
    let plain = features.difference(WasmFeatures::CM_ASYNC);
    let (engine, types) = match validate_types(bytes, plain) {
        Ok(types) if !named_concurrent => (EngineKind::Plain, types),
        Ok(types) => (EngineKind::Concurrent, types),
        Err(_needs_async) => {
            let types = validate_types(bytes, features).map_err(ComponentError::Invalid)?;
            (EngineKind::Concurrent, types)
        }
    };
    if let Some(types) = &types {
        let mut resources = Vec::new();
        imports.retain(|import| asks_for_something(types.as_ref(), import, &mut resources));
    }
    Ok(ComponentInterfaces {
        imports,
        exports,
        engine,
        needs: needs::of(bytes).map_err(ComponentError::Invalid)?,
    })
}

fn is_wasi_0_3(name: &str) -> bool {
    name.starts_with("wasi:") && name.contains("@0.3.")
}

/// Tells what is not even the start of a component from what is.
fn reject_others(bytes: &[u8]) -> Result<(), ComponentError> {
    if bytes.is_empty() {
        return Err(ComponentError::NotWasm {
            hint: "it is empty",
        });
    }
    if crate::artefact::is_artefact(bytes) {
        let hint = "it is an artefact of `compile`; the component is what that was made of";
        return Err(ComponentError::NotWasm { hint });
    }
    if !bytes.starts_with(b"\0asm") {
        let hint = match bytes {
            [b'(', ..] => "it is text; `wasm-tools parse` makes a binary of it",
            [0x7f, b'E', b'L', b'F', ..] => "it is a native program or library",
            _ => "it does not start with \\0asm",
        };
        return Err(ComponentError::NotWasm { hint });
    }
    if Parser::is_component(bytes) {
        Ok(())
    } else if Parser::is_core_wasm(bytes) {
        Err(ComponentError::CoreModule)
    } else {
        Err(ComponentError::NotWasm {
            hint: "its version of WebAssembly is unknown",
        })
    }
}

fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), ComponentError> {
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(ComponentError::Invalid)? {
            Payload::Version {
                encoding: Encoding::Component | Encoding::Module,
                ..
            } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(ComponentError::Invalid)?;
                    // A type that equals a type that is known already asks nobody for anything.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(ComponentError::Invalid)?;
                    if export.kind != ComponentExternalKind::Type {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// Whether somebody must serve an import: an instance that only names types, and `resources` of imports
/// before it, asks for nothing.
fn asks_for_something(types: TypesRef<'_>, import: &str, resources: &mut Vec<ResourceId>) -> bool {
    let item = types.component_item_for_import(import);
    item.is_none_or(|item| is_something(types, &item.ty, resources))
}

fn is_something(
    types: TypesRef<'_>,
    ty: &ComponentEntityType,
    resources: &mut Vec<ResourceId>,
) -> bool {
    match ty {
        ComponentEntityType::Type {
            created: ComponentAnyTypeId::Resource(resource),
            ..
        } => {
            let is_new = !resources.contains(&resource.resource());
            if is_new {
                resources.push(resource.resource());
            }
            is_new
        }
        ComponentEntityType::Type { .. } => false,
        ComponentEntityType::Instance(id) => {
            let exports = types[*id].exports.values();
            // All of them: each may define a resource.
            let asks = exports.map(|export| is_something(types, &export.ty, resources));
            asks.fold(false, |any, asks| any | asks)
        }
        ComponentEntityType::Module(_)
        | ComponentEntityType::Func(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Component(_) => true,
    }
}

/// Validates all but the bodies of functions, which is where the time goes. The types are those of the
/// whole component.
fn validate_types(
    bytes: &[u8],
    features: WasmFeatures,
) -> Result<Option<Types>, wasmparser::Error> {
    let mut validator = Validator::new_with_features(features);
    let mut last = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match validator.payload(&payload?)? {
            ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::Func(..) => {}
            ValidPayload::End(types) => last = Some(types),
        }
    }
    Ok(last)
}
