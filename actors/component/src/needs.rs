//! What an instance of a component takes from its first moment on, without running it.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload,
};
use wrt_protocol::ComponentNeeds;

/// Bytes of a page of memory, where its type does not say.
const PAGE_BYTES_LOG2: u32 = 16;

/// Counts what the component in `bytes`, which are valid, instantiates: modules, and components within
/// it. What it is only given at that time is not known here and does not count, so that this is the least
/// that it needs.
pub(crate) fn of(bytes: &[u8]) -> Result<ComponentNeeds, wasmparser::Error> {
    let mut open: Vec<Open> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => open.push(match encoding {
                Encoding::Module => Open::Module(ComponentNeeds {
                    core_instances: 1,
                    ..ComponentNeeds::default()
                }),
                Encoding::Component => Open::Component(Scope::default()),
            }),
            Payload::End(_) => match (open.pop(), open.last_mut()) {
                (Some(Open::Component(scope)), None) => return Ok(scope.needs),
                (Some(ended), Some(Open::Component(around))) => around.define(ended),
                _ => {}
            },
            payload => match open.split_last_mut() {
                Some((Open::Module(needs), _)) => count_in_module(needs, &payload)?,
                Some((Open::Component(scope), around)) => scope.count(&payload, around)?,
                None => {}
            },
        }
    }
    Ok(ComponentNeeds::default())
}

/// What is being read, from the outside to the inside.
enum Open {
    Module(ComponentNeeds),
    Component(Scope),
}

/// A component: what its indices stand for, `None` for what it is given.
#[derive(Default)]
struct Scope {
    modules: Vec<Option<ComponentNeeds>>,
    components: Vec<Option<ComponentNeeds>>,
    needs: ComponentNeeds,
}

impl Scope {
    fn define(&mut self, ended: Open) {
        match ended {
            Open::Module(needs) => self.modules.push(Some(needs)),
            Open::Component(scope) => self.components.push(Some(scope.needs)),
        }
    }

    fn count(&mut self, payload: &Payload<'_>, around: &[Open]) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.instantiate(known(&self.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        self.instantiate(known(&self.components, component_index));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias?, around);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(None),
                        ComponentTypeRef::Component(_) => self.components.push(None),
                        _ => {}
                    }
                }
            }
            // What is exported has one more index from there on.
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    match export.kind {
                        ComponentExternalKind::Module => {
                            self.modules.push(known(&self.modules, export.index));
                        }
                        ComponentExternalKind::Component => {
                            self.components.push(known(&self.components, export.index));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>, around: &[Open]) {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.modules.push(None),
                ComponentExternalKind::Component => self.components.push(None),
                _ => {}
            },
            ComponentAlias::Outer { kind, count, index } => {
                let outer = match count {
                    0 => Some(&*self),
                    count => scope(around, count),
                };
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let module = outer.and_then(|outer| known(&outer.modules, index));
                        self.modules.push(module);
                    }
                    ComponentOuterAliasKind::Component => {
                        let component = outer.and_then(|outer| known(&outer.components, index));
                        self.components.push(component);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    fn instantiate(&mut self, needs: Option<ComponentNeeds>) {
        if let Some(needs) = needs {
            self.needs = self.needs.and(&needs);
        }
    }
}

/// The component `count` levels further out.
fn scope(around: &[Open], count: u32) -> Option<&Scope> {
    let at = around.len().checked_sub(count as usize)?;
    match around.get(at)? {
        Open::Component(scope) => Some(scope),
        Open::Module(_) => None,
    }
}

fn known(definitions: &[Option<ComponentNeeds>], index: u32) -> Option<ComponentNeeds> {
    definitions.get(index as usize).copied().flatten()
}

fn count_in_module(
    needs: &mut ComponentNeeds,
    payload: &Payload<'_>,
) -> Result<(), wasmparser::Error> {
    match payload {
        Payload::MemorySection(section) => {
            for memory in section.clone() {
                let memory = memory?;
                let page = memory.page_size_log2.unwrap_or(PAGE_BYTES_LOG2);
                let bytes = 1_u64.checked_shl(page).unwrap_or(u64::MAX);
                let bytes = memory.initial.saturating_mul(bytes);
                needs.memories = needs.memories.saturating_add(1);
                needs.memory_bytes = needs.memory_bytes.max(bytes);
            }
        }
        Payload::TableSection(section) => {
            for table in section.clone() {
                needs.tables = needs.tables.saturating_add(1);
                needs.table_elements = needs.table_elements.max(table?.ty.initial);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> ComponentNeeds {
        of(&wat::parse_str(text).expect("the text is legal")).expect("it can be read")
    }

    #[test]
    fn what_is_defined_counts_as_often_as_it_is_instantiated() {
        let module = "(core module $m (memory 3) (memory 17) (table 5 funcref) (table 2 funcref))";
        let of_one = ComponentNeeds {
            memory_bytes: 17 * 65_536,
            table_elements: 5,
            tables: 2,
            memories: 2,
            core_instances: 1,
        };
        for (rest, times) in [
            ("", 0),
            ("(core instance (instantiate $m))", 1),
            (
                "(core instance (instantiate $m)) (core instance (instantiate $m))",
                2,
            ),
            (
                "(component $c
                   (alias outer 1 0 (core module $n))
                   (core instance (instantiate $n)) (core instance (instantiate $n)))
                 (instance (instantiate $c)) (instance (instantiate $c))
                 (core instance (instantiate $m))",
                5,
            ),
            (
                "(export $e \"module\" (core module $m)) (core instance (instantiate $e))",
                1,
            ),
            // What is given is not known.
            (
                "(import \"given\" (core module $g)) (core instance (instantiate $g))",
                0,
            ),
        ] {
            let found = needs(&format!("(component {module} {rest})"));
            let expected = (0..times).fold(ComponentNeeds::default(), |sum, _| sum.and(&of_one));
            assert_eq!(found, expected, "{rest}");
        }
    }

    #[test]
    fn components_within_components_do_not_overflow() {
        let mut text =
            "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        for level in 1..40 {
            let before = level - 1;
            let twice = format!("(instance (instantiate $c{before}))").repeat(2);
            text = format!("(component $c{level} {text} {twice})");
        }
        let found = needs(&format!("(component {text} (instance (instantiate $c39)))"));
        assert_eq!(found.core_instances, u32::MAX);
    }
}
